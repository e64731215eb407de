using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>The exchange of single vectors of the factors for new ones: when, which, and by what.</summary>
/// <param name="Interval">Steps in which each vector has its turn once, at the start.</param>
/// <param name="Decay">Factor on the rate of exchange at each step, in (0, 1].</param>
/// <param name="Hold">Steps for which the other factor's vector is held still.</param>
internal sealed record Switching(double Interval, double Decay, long Hold)
{
    /// <summary>The vectors whose turn it is after so many steps: one after the other, the k-th exchange is that of vector k mod r.</summary>
    public long[] DueAfter(long completed, long rank)
    {
        var (before, now) = (CountAfter(completed - 1, rank), CountAfter(completed, rank));
        return [.. Enumerable.Range(0, (int)Math.Min(rank, now - before)).Select(offset => (before + offset) % rank)];
    }

    /// <summary>Standard deviations of the entries of A and B with which s B A has the variance of a fresh weight for s
    /// = 1/r, and both factors learn at the same pace.</summary>
    /// <param name="rows">m.</param>
    /// <param name="columns">n.</param>
    /// <param name="rank">r.</param>
    public static (double A, double B) Deviations(long rows, long columns, long rank)
    {
        var gain = Math.Sqrt(Math.Sqrt(1 / 3.0));
        return (Math.Pow(Math.Sqrt(rows) * rank / Math.Pow(columns, 1.5), 0.25) * gain, Math.Pow(rank / Math.Sqrt((double)rows * columns), 0.25) * gain);
    }

    /// <summary>Normal numbers for a key, the same whatever the dtype.</summary>
    public static Tensor Draw(long rows, long columns, double deviation, Tensor like, ulong key)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(key, like.device);
        return randn(rows, columns, ScalarType.Float32, like.device, generator: generator).mul_(deviation).to(like.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>⌊Σ r qᵘ / I⌋ over the steps u = 1 … t.</summary>
    private long CountAfter(long completed, long rank)
    {
        var turns = Decay == 1 ? completed : Decay * (1 - Math.Pow(Decay, completed)) / (1 - Decay);
        return (long)Math.Floor(rank * turns / Interval);
    }
}
