namespace LowRankTraining.Parts;

/// <summary>RMSProp, plain, centered or with momentum.</summary>
/// <remarks>
/// <para>V ← βV + (1 − β)G²; centered: Ḡ ← βḠ + (1 − β)G and V′ = V − Ḡ², else V′ = V; N = G / (√V′ + ε), where V′ is at least β(1 − β)(G − Ḡ_old)², which no
/// true variance is below but rounding, short states and changes of basis may be; with momentum μ: B ← μB + N and the update is B, else N.</para>
/// <para>State: <c>square_avg</c>, and where used <c>grad_avg</c> and <c>momentum_buffer</c>, in the gradient's
/// shape and in <see cref="States"/>. No bias correction.</para>
/// <para>A zero or non-finite gradient changes nothing. Entries beyond what can be squared (1e15 in float32, 1e150 in float64) are taken for that.</para>
/// <para>Source: Tieleman and Hinton, 2012; centered: Graves, arXiv 1308.0850. Fira's second inner rule (arXiv 2410.01623).</para>
/// </remarks>
public sealed record RmsPropRule : DirectionRule
{
    /// <value>β, decay of the averages, in [0, 1). Default 0.9 (Fira's code).</value>
    public double Beta { get; init; } = 0.9;

    /// <value>ε, in units of the gradient. Default 1e-8.</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>μ, momentum on the normalized gradient, in [0, 1); 0 keeps no buffer. Default 0.</value>
    public double Momentum { get; init; }

    /// <value>Whether the variance is taken about the mean. Default false.</value>
    public bool Centered { get; init; }

    /// <value>How the averages are stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Fraction(Beta)
        .AtLeast(1e-18, Epsilon)
        .Fraction(Momentum)
        .Moments(States);

    /// <inheritdoc/>
    public override RmsPropRule WithStates(StateFormat states) => this with { States = states };

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments
    {
        get
        {
            List<MomentSlot> slots = [Second];
            if (Centered)
                slots.Add(Mean);
            if (Momentum > 0)
                slots.Add(Buffer);
            return slots;
        }
    }

    private MomentSlot Second => new("square_avg", 2) { Format = States };

    private MomentSlot Mean => new("grad_avg", 1) { Format = States };

    private MomentSlot Buffer => new("momentum_buffer", 1) { Format = States, AveragesGradient = false };

    /// <inheritdoc/>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();

        var square = Second.Read(state, gradient);
        var usable = gradient.WithinSquares();
        square.mul_(Beta).addcmul_(usable, usable, 1 - Beta);
        Second.Write(state, square, step);

        var root = Variance(square, usable, state, step).sqrt_().add_(Epsilon);
        var direction = usable.div_(root);
        if (Momentum > 0)
        {
            var buffer = Buffer.Read(state, gradient).mul_(Momentum).add_(direction);
            Buffer.Write(state, buffer, step);
            direction = buffer.clone();
        }

        return (direction.MoveToOuterDisposeScope(), 1);
    }

    private Tensor Variance(Tensor square, Tensor gradient, StateBag state, in StepContext step)
    {
        if (!Centered)
            return square.clone();

        var mean = Mean.Read(state, gradient);
        var deviation = gradient - mean;
        var least = deviation.mul_(deviation).mul_(Beta * (1 - Beta));
        mean.mul_(Beta).add_(gradient, 1 - Beta);
        Mean.Write(state, mean, step);
        return maximum(square.addcmul(mean, mean, -1), least);
    }
}
