namespace LowRankTraining.Parts;

/// <summary>The step in the subspace, and outside it the gradient as it is, without a matrix for what is outside.</summary>
/// <remarks>U = α c P N + κ (G − P R) = κ G + P (α c N − κ R): one product.</remarks>
/// <param name="Scale">α.</param>
/// <param name="ResidualScale">κ.</param>
internal sealed record GradientOutside(double Scale, double ResidualScale) : ILift
{
    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
    {
        accumulator.add_(lowRank.Gradient, scale * ResidualScale);
        var inside = lowRank.Direction.mul_(Scale * lowRank.Correction).add_(lowRank.LowRankGradient, -ResidualScale);
        lowRank.Projection.AddBack(accumulator, inside, scale);
    }
}
