namespace LowRankTraining.Strategies;

/// <summary>A method that steps outside the subspace too, by what is left of the gradient, scaled as the inner rule scales the part inside.</summary>
/// <remarks>See <see cref="ScaledResidual"/>. <see cref="GradientSpaceMethod.Side"/> is not both, since the residual is scaled along the other one.</remarks>
public abstract record ResidualMethod : GradientSpaceMethod
{
    /// <value>κ, a factor on the scaled residual; at least 0. Default 1 (Fira).</value>
    public double ResidualScale { get; init; } = 1;

    /// <value>Keeps the residual's norm from growing too fast; null for nothing. Default: by 1 % per step (Fira).</value>
    public NormGrowthLimiter? Limiter { get; init; } = new();

    /// <inheritdoc/>
    protected override ILift Lift => Residual;

    private protected ScaledResidual Residual => new() { Scale = Scale, ResidualScale = ResidualScale, Limiter = Limiter };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .AtLeast(0, ResidualScale)
            .OptionalPart(Limiter)
            .Unused(ResidualScale != 0, Limiter, new NormGrowthLimiter(), "ResidualScale is 0, so that there is no residual to limit");
    }
}
