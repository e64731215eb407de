namespace LowRankTraining.Layers;

/// <summary>Factors that are a part of the weight, which they leave.</summary>
/// <param name="values">A and B for a weight, a rank, a scale and a seed.</param>
internal sealed class DecomposingStart(Func<Tensor, long, double, ulong, (Tensor A, Tensor B)> values) : FactorStart
{
    public override bool ChangesBase => true;

    public override void Require(string name, Tensor weight) => RequireFinite(name, weight, $"start with {nameof(FactorInit)}.{nameof(FactorInit.Kaiming)}");

    /// <summary>PiSSA: A = √(Σ_r/s) V_rᵀ, B = U_r √(Σ_r/s).</summary>
    public static (Tensor A, Tensor B) Principal(Tensor weight, long rank, double scale, ulong key)
    {
        var (left, right) = TruncatedSvd.Balanced(weight, rank, key);
        var root = Math.Sqrt(scale);
        return (right.div_(root), left.div_(root));
    }

    /// <summary>OLoRA: B = Q_r and A = R_r of W = Q R.</summary>
    public static (Tensor A, Tensor B) Orthogonal(Tensor weight, long rank, double scale, ulong key)
    {
        var (q, r) = linalg.qr(weight);
        return (r.narrow(0, 0, rank), q.narrow(1, 0, rank));
    }

    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key)
    {
        var (a, b) = values(weight, rank, scale, key);
        return a.shape.SequenceEqual([rank, weight.shape[1]]) && b.shape.SequenceEqual([weight.shape[0], rank]) ? (a, b)
            : throw new ArgumentException($"Factors of rank {rank} for a weight of {weight.shape[0]} x {weight.shape[1]} are A, {rank} x {weight.shape[1]}, "
                + $"and B, {weight.shape[0]} x {rank}; Start has returned {string.Join(" x ", a.shape)} and {string.Join(" x ", b.shape)}. "
                + "Return these shapes.");
    }
}
