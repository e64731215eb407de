namespace LowRankTraining.Parts;

/// <summary>Stochastic gradient descent with momentum.</summary>
/// <remarks>
/// <para>B ← μB + G; the update is B, with <see cref="Nesterov"/> G + μB, without momentum G.</para>
/// <para>State: with momentum <c>momentum_buffer</c>, in the gradient's shape and in <see cref="States"/>.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Sutskever et al., ICML 2013, in the form of PyTorch's SGD.</para>
/// </remarks>
public sealed record SgdRule : DirectionRule
{
    /// <value>μ, in [0, 1); 0 keeps no buffer. Default 0.9.</value>
    public double Momentum { get; init; } = 0.9;

    /// <value>Whether the update looks one step ahead. Default false.</value>
    public bool Nesterov { get; init; }

    /// <value>How the buffer is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Fraction(Momentum)
        .Require(Momentum > 0 || !Nesterov, $"{checks.PathOf(nameof(Nesterov))} is set without Momentum: it needs some.")
        .Moments(States);

    /// <inheritdoc/>
    public override SgdRule WithStates(StateFormat states) => this with { States = states };

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => Momentum > 0 ? [Buffer] : [];

    private MomentSlot Buffer => new("momentum_buffer", 1) { Format = States };

    /// <inheritdoc/>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        if (Momentum == 0)
            return (gradient.clone(), 1);

        using var scope = NewDisposeScope();
        var buffer = Buffer.Read(state, gradient).mul_(Momentum).add_(gradient);
        Buffer.Write(state, buffer, step);

        var direction = Nesterov ? gradient.add(buffer, Momentum) : buffer.clone();
        return (direction.MoveToOuterDisposeScope(), 1);
    }
}
