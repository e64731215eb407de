namespace LowRankTraining.Parts;

/// <summary>The gradient itself, scaled as the inner rule scaled its projection: the subspace serves to measure step sizes, not to step in.</summary>
/// <remarks>
/// <para>U = c √a G diag(φ), φⱼ = ‖Nⱼ‖ / ‖Rⱼ‖ with j along the side that is not compressed, or one φ = ‖N‖ / ‖R‖ for the
/// whole matrix; then the limiter on ‖c √a G diag(φ)‖. What the subspace hardly holds it does not measure: φⱼ = 0 where ‖Rⱼ‖² is below a hundredth of what a
/// random subspace holds of ‖Gⱼ‖² on average.</para>
/// <para>One product per step (the projection), and one pass over the gradient into the weight; nothing of its size is
/// allocated. The projection need not be orthonormal.</para>
/// <para>Source: Zhu et al., APOLLO, arXiv 2412.05270, equations 7 to 9. The authors' code limits the norm before bias correction: see
/// <see cref="Compatibility"/>.</para>
/// </remarks>
public sealed record ScaledGradient : ILift
{
    /// <summary>Keeps φ finite where R is zero, as in the authors' code.</summary>
    private const double Smallest = 1e-8;

    /// <value>a, whose square root multiplies the update; above 0. About s / rank makes up for what a projection of that rank loses. Default 1
    /// (APOLLO).</value>
    public double Scale { get; init; } = 1;

    /// <value>One factor per row or column of the long side, or one for the matrix. Default: per channel (APOLLO).</value>
    public GradientScaling Scaling { get; init; }

    /// <value>Whether √a is applied before the limiter and not after it; a constant factor makes no difference
    /// to growth, only to the floor. Default false.</value>
    public bool ScaleBeforeLimiter { get; init; }

    /// <value>Tempers the update; null for none. Default: growth of 1 % per step (APOLLO).</value>
    public NormGrowthLimiter? Limiter { get; init; } = new();

    /// <value>Whom to follow where paper and code differ. Default: the paper.</value>
    public Compatibility Compatibility { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(0, Scale)
        .Defined(Scaling)
        .OptionalPart(Limiter)
        .Defined(Compatibility);

    /// <inheritdoc/>
    public bool NeedsOrthonormalBasis => false;

    /// <inheritdoc/>
    public bool NeedsOneSide => Scaling == GradientScaling.Channel;

    /// <inheritdoc/>
    public IEnumerable<StateSlot> Slots => Limiter is null ? [] : [NormGrowthLimiter.Memory];

    /// <inheritdoc/>
    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
    {
        using var scope = NewDisposeScope();
        var (gradient, projection, inside, direction, correction) = lowRank;
        var (axis, root) = (projection.RankAxis, Math.Sqrt(Scale));
        var byChannel = Scaling == GradientScaling.Channel;
        var whole = byChannel ? SquaredNorms.Along(gradient, axis) : SquaredNorms.Along(gradient, 1).sum();
        var held = byChannel ? lowRank.InsideSquares().sqrt() : inside.norm();
        var factor = byChannel ? SquaredNorms.Along(direction, axis).sqrt_() : direction.norm();
        if (Compatibility == Compatibility.Paper)
            ResidualFactors.DropUnmeasured(factor, held.square(), whole, (double)inside.size(axis) / gradient.size(axis));
        factor.div_(held.add(Smallest));

        if (Limiter is not null)
        {
            var before = (ScaleBeforeLimiter ? root : 1) * (Compatibility == Compatibility.Paper ? correction : 1);
            var norm = byChannel ? whole.mul_(factor.square()).sum().sqrt_() : whole.sqrt_().mul_(factor);
            factor.mul_(Limiter.Factor(norm.mul_(before), state));
        }

        ScaledVectors.Add(accumulator, gradient, factor, scale * correction * root);
    }
}

/// <summary>How finely a gradient is scaled.</summary>
public enum GradientScaling
{
    /// <summary>One factor for each row of a tall matrix, each column of a wide one.</summary>
    Channel,

    /// <summary>One factor for the whole matrix: APOLLO-Mini.</summary>
    Tensor,
}
