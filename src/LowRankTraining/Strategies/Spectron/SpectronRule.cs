namespace LowRankTraining.Strategies;

/// <summary>A step of one of two factors along the polar factor of its momentum, divided by ‖U‖₂ + ‖V‖₂ + 1: see <see cref="Spectron"/>.</summary>
/// <param name="Polar">polar(M).</param>
/// <param name="Scale">α.</param>
/// <remarks>State: <c>momentum_buffer</c>; <c>singular_vector</c>, of the largest singular value, on the long side; <c>norms</c>, the divisor of the step to
/// come, which that step uses up and <see cref="SpectronAdapter"/> finds again.</remarks>
internal sealed record SpectronRule(PolarRule Polar, double Scale) : DirectionRule
{
    private static readonly StateSlot SingularVector = new("singular_vector"), Norms = new("norms");

    public override bool NeedsMatrix => true;

    public override IReadOnlyList<MomentSlot> Moments => Polar.Moments;

    public override string? StepCounter => Polar.StepCounter;

    public override SpectronRule WithStates(StateFormat states) => this with { Polar = Polar.WithStates(states) };

    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        var (direction, correction) = Polar.Advance(gradient, state, step);
        direction.div_(state[Norms]);
        state.Remove(Norms);
        return (direction, Scale * correction);
    }

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) =>
        base.SlotsFor(shape).Concat([SingularVector.Of(shape.Max()), Norms.Of(1)]);

    /// <summary>‖F‖₂ by the power method, from the singular vector that it ended with before: v ← Fᵀu / ‖Fᵀu‖, u ← F v / ‖F v‖, where ‖F v‖ is the
    /// norm.</summary>
    /// <param name="factor">F, of which the long side has u.</param>
    /// <param name="state">Its memory, which u is read from and kept in.</param>
    /// <param name="iterations">How often.</param>
    /// <param name="key">A seed for the first u.</param>
    /// <returns>A scalar on the factor's device, in the dispose scope of the caller. Zero for a factor of zeros, which leaves u what it was.</returns>
    public static Tensor NormOf(Tensor factor, StateBag state, int iterations, ulong key)
    {
        using var scope = NewDisposeScope();
        var f = (factor.IsTall() ? factor : factor.t()).to(factor.dtype.Computing());
        var norm = zeros([], f.dtype, f.device);
        var u = state.GetOrAdd(SingularVector, () => Drawn(f, key));
        for (var i = 0; i < iterations; i++)
        {
            using var iteration = NewDisposeScope();
            var image = f.mv(Unit(f.t().mv(u)));
            norm = image.norm().MoveToOuterDisposeScope();
            u = where(norm.gt(0), Unit(image), u).MoveToOuterDisposeScope();
        }

        state.Set(SingularVector, u);
        return norm.MoveToOuterDisposeScope();
    }

    /// <summary>Whether the factor has moved, so that norms have to be found again.</summary>
    public static bool HasMoved(StateBag state) => !state.TryGet(Norms, out _);

    /// <summary>What the next step is divided by.</summary>
    public static void SetNorms(StateBag state, Tensor norms) => state.Set(Norms, norms.clone());

    private static Tensor Drawn(Tensor f, ulong key)
    {
        using var generator = new Generator(key);
        return Unit(generator.Normal([f.shape[0]], ScalarType.Float32, f.device).to(f.dtype));
    }

    private static Tensor Unit(Tensor x) => x / x.norm().clamp_min(Precision.SmallestNormal);
}
