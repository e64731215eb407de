namespace LowRankTraining.Parts;

/// <summary>A gradient of which more is to be seen than its projection.</summary>
internal abstract class ObservedGradient
{
    /// <summary>A (PᵀA)ᵀ, s × rank, with A the gradient, or its transpose where columns are compressed: one pass of subspace iteration, not orthonormal
    /// yet.</summary>
    /// <param name="projection">The subspace, of one side.</param>
    /// <param name="lowRank">What the gradient is in it, or a multiple of that.</param>
    public abstract Tensor Sketch(Projection projection, Tensor lowRank);

    /// <summary>‖G‖, a scalar on the gradient's device.</summary>
    public abstract Tensor Norm();
}

/// <summary>One that is there, or whose products are; the latter has no norm to be asked for.</summary>
internal sealed class WholeGradient(LinearOperator matrix) : ObservedGradient
{
    public override Tensor Sketch(Projection projection, Tensor lowRank) =>
        projection.RankAxis == 0 ? matrix.Times(lowRank.t()) : matrix.TransposedTimes(lowRank);

    public override Tensor Norm() => matrix.Like.norm();
}

/// <summary>G = δᵀ x, which is not formed.</summary>
/// <param name="delta">δ, N × rows.</param>
/// <param name="input">x, N × columns.</param>
internal sealed class FactoredGradient(Tensor delta, Tensor input) : ObservedGradient
{
    public override Tensor Sketch(Projection projection, Tensor lowRank) =>
        projection.RankAxis == 0 ? delta.t().mm(input.mm(lowRank.t())) : input.t().mm(delta.mm(lowRank));

    public override Tensor Norm() => ProductNorm.Of(delta, input);
}
