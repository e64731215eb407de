namespace LowRankTraining.Layers;

/// <summary>LoRA-GA: A = V_{r..2r}ᵀ m^¼/√γ and B = U_{0..r} m^¼/√γ of the gradient's singular value decomposition.</summary>
/// <remarks>Where there are fewer than 2 r singular vectors, A takes the last r of them.</remarks>
internal sealed class GradientStart(double gamma) : FactorStart
{
    public override bool ChangesBase => true;

    public override bool NeedsGradient => true;

    public override (Tensor A, Tensor B) FromGradient(Tensor gradient, long rank, ulong key)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var limit = Math.Min(gradient.shape[0], gradient.shape[1]);
        var (left, _, right) = TruncatedSvd.Of(gradient, Math.Min(2 * rank, limit), key);
        var size = Math.Pow(gradient.shape[0], 0.25) / Math.Sqrt(gamma);
        var a = right.narrow(0, Math.Min(rank, limit - rank), rank).mul(size);
        var b = left.narrow(1, 0, rank).mul(size);
        return (a.MoveToOuterDisposeScope(), b.MoveToOuterDisposeScope());
    }

    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key) => Kaiming.FromWeight(weight, rank, scale, key);
}
