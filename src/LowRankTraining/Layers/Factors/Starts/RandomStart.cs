namespace LowRankTraining.Layers;

/// <summary>A random, B zero.</summary>
internal sealed class RandomStart(Func<long, Tensor, ulong, Tensor> draw) : FactorStart
{
    /// <summary>Entries with standard deviation 1/r.</summary>
    public static Tensor Normal(long rank, Tensor weight, ulong key)
    {
        using var generator = new Generator(key, weight.device);
        return empty(rank, weight.shape[1], ScalarType.Float32, weight.device).normal_(0, 1.0 / rank, generator).to(weight.dtype);
    }

    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key) =>
        (draw(rank, weight, key), zeros(weight.shape[0], rank, weight.dtype, weight.device));
}
