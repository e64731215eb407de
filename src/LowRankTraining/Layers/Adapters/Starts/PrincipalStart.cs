namespace LowRankTraining.Layers;

/// <summary>PiSSA: A = √(Σ_r/s) V_rᵀ, B = U_r √(Σ_r/s).</summary>
internal sealed class PrincipalStart : DecomposingStart
{
    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key)
    {
        var (left, right) = TruncatedSvd.Balanced(weight, rank, key);
        var root = Math.Sqrt(scale);
        return (right.div_(root), left.div_(root));
    }
}
