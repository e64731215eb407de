namespace LowRankTraining.Parts;

/// <summary>Lion: steps of one size, in the direction of the sign of an interpolated momentum.</summary>
/// <remarks>
/// <para>The update is sign(β₁M + (1 − β₁)G); then M ← β₂M + (1 − β₂)G.</para>
/// <para>State: <c>exp_avg</c>, in the gradient's shape and in <see cref="States"/>. Learning rates are about a tenth to a third of Adam's.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Chen et al., Symbolic Discovery of Optimization Algorithms, arXiv 2302.06675, algorithm 2.</para>
/// </remarks>
public sealed record LionRule : DirectionRule
{
    /// <value>β₁, share of the momentum in the update, in [0, 1). Default 0.9 (Lion).</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂, decay of the momentum, in [0, 1). Default 0.99 (Lion).</value>
    public double Beta2 { get; init; } = 0.99;

    /// <value>How the momentum is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Fraction(Beta1)
        .Fraction(Beta2)
        .Moments(States);

    /// <inheritdoc/>
    public override LionRule WithStates(StateFormat states) => this with { States = states };

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => [First];

    private MomentSlot First => new("exp_avg", 1) { Format = States };

    /// <inheritdoc/>
    public override (double Beta1, double Beta2)? Betas => (Beta1, Beta2);

    /// <inheritdoc/>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var (beta1, beta2) = (step.Beta1 ?? Beta1, step.Beta2 ?? Beta2);
        var mean = First.Read(state, gradient);
        var direction = mean.mul(beta1).add_(gradient, 1 - beta1).sign_();

        mean.mul_(beta2).add_(gradient, 1 - beta2);
        First.Write(state, mean, step);
        return (direction.MoveToOuterDisposeScope(), 1);
    }
}
