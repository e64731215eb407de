namespace LowRankTraining.Layers;

/// <summary>Factors that a method of its own kind draws.</summary>
/// <param name="values">A and B for a weight, a rank, a scale and a seed.</param>
internal sealed class GivenStart(Func<Tensor, long, double, ulong, (Tensor A, Tensor B)> values) : DecomposingStart
{
    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key)
    {
        var (a, b) = values(weight, rank, scale, key);
        return a.shape.SequenceEqual([rank, weight.shape[1]]) && b.shape.SequenceEqual([weight.shape[0], rank]) ? (a, b)
            : throw new ArgumentException($"Factors of rank {rank} for a weight of {weight.shape[0]} x {weight.shape[1]} are A, {rank} x {weight.shape[1]}, "
                + $"and B, {weight.shape[0]} x {rank}; Start has returned {string.Join(" x ", a.shape)} and {string.Join(" x ", b.shape)}. "
                + "Return these shapes.");
    }
}
