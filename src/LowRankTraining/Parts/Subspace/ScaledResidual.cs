namespace LowRankTraining.Parts;

/// <summary>The step in the subspace, plus the part of the gradient outside it, scaled as the inner rule scaled the part inside: training stays
/// full-rank.</summary>
/// <remarks>
/// <para>U = c (α P N + κ S), S = (G − P R) diag(φ), φⱼ = ‖Nⱼ‖ / ‖Rⱼ‖, with j along the side that is not compressed; then the limiter on ‖c S‖.</para>
/// <para>Computed with two products and nothing of the gradient's size allocated. With orthonormal P the residual's columns have norm² ‖Gⱼ‖² − ‖Rⱼ‖², so the
/// limiter needs no residual, and U = c (G diag(κφ) + α P (N − R diag(κφ) / α)).</para>
/// <para>Where the subspace is the whole space there is no residual, and this is <see cref="ProjectBack"/>.</para>
/// <para>Source: Chen et al., Fira, arXiv 2410.01623, equations 6 to 9. The authors' code takes P R times α away, and limits ‖S‖ before bias correction: see
/// <see cref="Compatibility"/>.</para>
/// </remarks>
public sealed record ScaledResidual : ILift
{
    /// <value>α, a factor on the step inside the subspace; above 0. Default 0.25 (Fira).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>κ, a factor on the residual; at least 0. Default 1 (Fira).</value>
    public double ResidualScale { get; init; } = 1;

    /// <value>Tempers the residual; null for none. Default: growth of 1 % per step (Fira).</value>
    public NormGrowthLimiter? Limiter { get; init; } = new();

    /// <value><see cref="Compatibility.ReferenceCode"/>: S = (G − α P R) diag(φ). Default: <see cref="Compatibility.Paper"/>.</value>
    public Compatibility Compatibility { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(0, Scale)
        .AtLeast(0, ResidualScale)
        .OptionalPart(Limiter)
        .Defined(Compatibility);

    /// <inheritdoc/>
    public bool NeedsOneSide => true;

    /// <inheritdoc/>
    public IEnumerable<StateSlot> Slots => Limiter is null ? [] : [NormGrowthLimiter.Memory];

    /// <inheritdoc/>
    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
    {
        var (gradient, projection, inside, direction, correction) = lowRank;
        var removed = Compatibility == Compatibility.Paper ? 1 : Scale;
        var step = scale * correction;

        if (removed == 1 && projection.First.IsComplete)
        {
            projection.AddBack(accumulator, direction, step * Scale);
            return;
        }

        var axis = projection.RankAxis;
        using var factor = SquaredNorms.Along(direction, axis);
        using var whole = SquaredNorms.Along(gradient, axis);
        var inSubspace = lowRank.InsideSquares();
        if (Compatibility == Compatibility.Paper)
            ResidualFactors.DropUnmeasured(factor, inSubspace, whole, (double)inside.size(axis) / gradient.size(axis));
        using var norm = ResidualFactors.Find(factor, inSubspace, whole, removed, Compatibility == Compatibility.Paper ? correction : 1);
        using var limit = Limiter?.Factor(norm, state);
        ResidualFactors.Finish(factor, ResidualScale, limit);

        ScaledVectors.Add(accumulator, gradient, factor, step);
        projection.AddBack(accumulator, ScaledVectors.Add(direction, inside, factor, -removed / Scale), step * Scale);
    }
}
