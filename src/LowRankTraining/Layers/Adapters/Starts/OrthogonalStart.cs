namespace LowRankTraining.Layers;

/// <summary>OLoRA: B = Q_r and A = R_r of W = Q R.</summary>
internal sealed class OrthogonalStart : DecomposingStart
{
    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key)
    {
        var (q, r) = linalg.qr(weight);
        return (r.narrow(0, 0, rank), q.narrow(1, 0, rank));
    }
}
