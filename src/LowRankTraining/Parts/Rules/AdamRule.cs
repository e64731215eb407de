namespace LowRankTraining.Parts;

/// <summary>Adam.</summary>
/// <remarks>
/// <para>M ← β₁M + (1 − β₁)G; V ← β₂V + (1 − β₂)G²; update = c · M / (√V + ε′), with c = √(1 − β₂ᵗ) / (1 − β₁ᵗ). ε′ = ε √(1 − β₂ᵗ) gives the published form
/// M̂ / (√V̂ + ε); ε′ = ε is the form of the AdamW that the authors' code of GaLore, Fira and APOLLO builds on.</para>
/// <para>State: <c>exp_avg</c>, <c>exp_avg_sq</c>, in the gradient's shape and in <see cref="States"/>; counter <c>step</c>. Scratch: one tensor of that
/// shape; none beside the direction for float32 on the CPU, where one pass does it all in any format but bfloat16; else three where the state has to be
/// converted.</para>
/// <para>A zero or non-finite gradient changes nothing. Entries beyond what can be squared (1e15 in float32, 1e150 in float64) are taken for that.</para>
/// <para>Moments that come back as other numbers than were stored could make a step that no gradients explain.
/// Where states are rounded, no entry of the update is above 1.5 max(1, (1 − β₁)/√(1 − β₂)):
/// a single gradient after any number of zeros makes a step of (1 − β₁)/√(1 − β₂). (Some like ones in a row after a long pause take exact moments to about
/// twice that.)</para>
/// <para>Source: Kingma and Ba, arXiv 1412.6980, algorithm 1; decoupled decay, applied by the optimizer: Loshchilov and Hutter, arXiv 1711.05101.
/// Block-wise 8-bit states: Dettmers et al., arXiv 2110.02861.</para>
/// </remarks>
public sealed record AdamRule : DirectionRule
{
    internal const string Clock = "step";

    /// <summary>Bytes of state that AdamW keeps for a parameter of so many float32 numbers.</summary>
    internal static long BytesOfAdamW(long numbers) => 2 * sizeof(float) * numbers;

    /// <summary>What rounding may add to the longest step.</summary>
    private const double RoundingAllowance = 1.5;

    /// <value>β₁, decay of the first moment, in [0, 1). Default 0.9 (Adam).</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂, decay of the second moment, in [0, 1). Default 0.999 (Adam).</value>
    public double Beta2 { get; init; } = 0.999;

    /// <value>ε, at least 1e-18, in units of the gradient. Default 1e-8 (Adam).</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>Whether ε is added to the bias-corrected root, as published. Default true.</value>
    public bool EpsilonAfterCorrection { get; init; } = true;

    /// <value>Whether the bias of the moments toward zero is corrected. Default true.</value>
    public bool BiasCorrection { get; init; } = true;

    /// <value>A factor on β₁ that changes over the updates, or null. Its counter, <c>momentum_step</c>, goes on through resets.</value>
    public MomentumSchedule? MomentumSchedule { get; init; }

    /// <value>How the moments are stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Adam(Beta1, Beta2, Epsilon, States)
        .OptionalPart(MomentumSchedule);

    /// <inheritdoc/>
    public override AdamRule WithStates(StateFormat states) => this with { States = states };

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => [First, Second];

    /// <value>What its state is called, where one parameter has two Adams.</value>
    internal AdamNames Names { get; init; } = AdamNames.Plain;

    /// <inheritdoc/>
    public override string StepCounter => Names.Clock;

    /// <inheritdoc/>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) =>
        MomentumSchedule is null ? base.SlotsFor(shape) : base.SlotsFor(shape).Append(new(Names.ScheduleClock));

    private MomentSlot First => new(Names.First, 1, Beta1) { Format = States, StepCounter = Names.Clock };

    private MomentSlot Second => new(Names.Second, 2, Beta2) { Format = States, StepCounter = Names.Clock };

    /// <inheritdoc/>
    public override (double Beta1, double Beta2)? Betas => (Beta1, Beta2);

    internal override bool WidensGradients => true;

    /// <inheritdoc/>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var isOnHost = HostNumbers.TryOpen(gradient.Packed(), out var onHost);
        if (!(isOnHost ? step.Accepts(onHost) : step.Accepts(gradient)))
            return;

        if (isOnHost && HostAdam.TryOpen(First, Second, onHost.Tensor, state) is { } moments)
        {
            var target = accumulator.Packed();
            var next = Next(state, onHost.Length, step);
            moments.Advance(onHost, target, next, (float)(scale * next.Correction));
            accumulator.PutBack(target);
            return;
        }

        using var scope = NewDisposeScope();
        var numbers = Next(state, gradient.numel(), step);
        var (mean, root) = AdvanceMoments(gradient.Widened(), numbers, state, step);
        if (double.IsFinite(numbers.Longest))
            accumulator.add_(numbers.Direction(mean, root), scale * numbers.Correction);
        else
            accumulator.addcdiv_(mean, root, scale * numbers.Correction);
    }

    /// <inheritdoc/>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step) =>
        Advance(gradient, state, step, inPlace: false);

    /// <inheritdoc/>
    public override (Tensor Direction, double Correction) AdvanceInPlace(Tensor gradient, StateBag state, in StepContext step) =>
        Advance(gradient, state, step, inPlace: true);

    private (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step, bool inPlace)
    {
        var packed = gradient.Packed();
        if (HostNumbers.TryOpen(packed, out var onHost) && HostAdam.TryOpen(First, Second, packed, state) is { } moments)
        {
            var next = Next(state, onHost.Length, step);
            var direction = inPlace ? packed : empty_like(packed);
            moments.Advance(onHost, direction, next);
            return (direction, next.Correction);
        }

        using var scope = NewDisposeScope();
        var numbers = Next(state, gradient.numel(), step);
        var (mean, root) = AdvanceMoments(gradient, numbers, state, step);
        return (numbers.Direction(mean, root).MoveToOuterDisposeScope(), numbers.Correction);
    }

    /// <summary>Counts a step, and gives its numbers.</summary>
    private AdamNumbers Next(StateBag state, long elements, in StepContext step)
    {
        var t = state.Advance(Names.Clock);
        var beta1 = (step.Beta1 ?? Beta1) * (MomentumSchedule?.Factor(state.Advance(Names.ScheduleClock)) ?? 1);
        var beta2 = step.Beta2 ?? Beta2;
        var bias1 = BiasCorrection ? 1 - Math.Pow(beta1, t) : 1;
        var bias2 = BiasCorrection ? Math.Sqrt(1 - Math.Pow(beta2, t)) : 1;
        var correction = bias2 / bias1;
        var longest = States.IsExact(elements) ? double.PositiveInfinity : RoundingAllowance * LongestStep(beta1, beta2) / correction;
        return new(beta1, beta2, EpsilonAfterCorrection ? Epsilon * bias2 : Epsilon, correction, longest);
    }

    /// <summary>What an entry steps by where its gradients are all the same, or all zero but the last.</summary>
    private static double LongestStep(double beta1, double beta2) => Math.Max(1, (1 - beta1) / Math.Sqrt(1 - beta2));

    private (Tensor Mean, Tensor Root) AdvanceMoments(Tensor gradient, in AdamNumbers numbers, StateBag state, in StepContext step)
    {
        var mean = First.Read(state, gradient);
        var square = Second.Read(state, gradient);

        var usable = gradient.WithinSquares();
        mean.mul_(numbers.Beta1).add_(usable, 1 - numbers.Beta1);
        square.mul_(numbers.Beta2).addcmul_(usable, usable, 1 - numbers.Beta2);

        First.Write(state, mean, step);
        Second.Write(state, square, step);
        return (mean, usable.copy_(square).sqrt_().add_(numbers.Epsilon));
    }
}

/// <summary>Checks of what an Adam computes with.</summary>
internal static class AdamChecks
{
    /// <summary>β₁, β₂, ε and the format of the moments, under their names everywhere. Below 1e-18 an ε is nothing beside √V where squares have left the range
    /// of float32, and the step of such an entry is of any size.</summary>
    public static Checks Adam(this Checks checks, double beta1, double beta2, double epsilon, StateFormat? states) => checks
        .Fraction(beta1, nameof(AdamRule.Beta1))
        .Fraction(beta2, nameof(AdamRule.Beta2))
        .AtLeast(1e-18, epsilon, nameof(AdamRule.Epsilon))
        .Moments(states, nameof(AdamRule.States));
}

/// <summary>What the state of an Adam is called.</summary>
/// <param name="First">The first moment.</param>
/// <param name="Second">The second moment.</param>
/// <param name="Clock">Counter of the updates since the moments began.</param>
/// <param name="ScheduleClock">Counter of all updates, for a <see cref="MomentumSchedule"/>.</param>
internal sealed record AdamNames(string First, string Second, string Clock, string ScheduleClock)
{
    public static AdamNames Plain { get; } = After("");

    /// <summary>Those of a second Adam.</summary>
    public static AdamNames After(string prefix) => new(prefix + "exp_avg", prefix + "exp_avg_sq", prefix + AdamRule.Clock, prefix + "momentum_step");
}

/// <summary>A factor on β₁ that falls along half a cosine, so that momentum decays faster late in training.</summary>
/// <remarks>s(t) = f + (1 − f) (1 + cos(πt / (N + 1))) / 2 with f = <see cref="Final"/> and N = <see cref="TotalSteps"/>; f from then on. Source: the authors'
/// code of Stable-SPAM, arXiv 2502.17055.</remarks>
public sealed record MomentumSchedule : IPart
{
    /// <value>N, updates over which the factor falls; at least 1.</value>
    public required long TotalSteps { get; init; }

    /// <value>The factor that remains, in (0, 1]. Default 0.5 (Stable-SPAM).</value>
    public double Final { get; init; } = 0.5;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(1, TotalSteps)
        .Ratio(Final);

    /// <summary>The factor of update <paramref name="t"/>; the first is 1.</summary>
    public double Factor(long t) => t > TotalSteps ? Final : Final + (1 - Final) * (1 + Math.Cos(Math.PI * t / (TotalSteps + 1.0))) / 2;
}
