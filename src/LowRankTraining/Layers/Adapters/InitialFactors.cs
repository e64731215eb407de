namespace LowRankTraining.Layers;

/// <summary>A copy, on the CPU, of factors that were taken out of a weight when training began: W = W_rest + s B₀ A₀.</summary>
/// <remarks>With it the trained factors can be written as a change of the original weight, s (B A − B₀ A₀). It knows the W_rest that it belongs to.</remarks>
internal sealed class InitialFactors : IDisposable
{
    private readonly (double Sum, double Norm) _rest;

    private InitialFactors(Tensor a, Tensor b, Tensor rest) => (A, B, _rest) = (a, b, Fingerprint(rest));

    public Tensor A { get; }

    public Tensor B { get; }

    /// <summary>W ← W − s B A.</summary>
    public static InitialFactors TakeOut(Parameter weight, Tensor a, Tensor b, double scale)
    {
        using var guard = no_grad();
        LowRankFactors.MergeInto(weight, a, b, -scale, rounding: null);
        return new(Copy(a), Copy(b), weight);
    }

    /// <summary>Whether this is still the weight that the factors were taken out of. It is frozen; but a checkpoint may have brought another.</summary>
    public bool BelongTo(Tensor rest)
    {
        var (sum, norm) = Fingerprint(rest);
        return Math.Abs(norm - _rest.Norm) <= 1e-9 * _rest.Norm && Math.Abs(sum - _rest.Sum) <= 1e-9 * _rest.Norm * Math.Sqrt(rest.numel());
    }

    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
    }

    private static (double, double) Fingerprint(Tensor weight)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var values = weight.detach().to(ScalarType.Float64);
        return (values.sum().ToDouble(), values.norm().ToDouble());
    }

    private static Tensor Copy(Tensor factor) => factor.detach().to(CPU, copy: true).DetachFromDisposeScope();
}
