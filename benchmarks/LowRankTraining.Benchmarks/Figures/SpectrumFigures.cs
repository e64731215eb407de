using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>How much of a gradient's energy lies in its leading directions, which is what low-rank training is founded on. On gradients of a real training
/// run.</summary>
internal static class SpectrumFigures
{
    private const string Model = "9m";
    private static readonly long[] Steps = [20, 100, 300], Ranks = [1, 2, 4, 8, 16, 32, 64];

    public static IEnumerable<Figure> Measure()
    {
        using var gradients = RecordedGradients.Of(Model, Steps);
        foreach (var step in Steps)
        {
            var shares = gradients[step].Select(Shares).ToArray();
            for (var place = 0; place < Ranks.Length; place++)
                yield return new($"energy of a gradient in its leading {Ranks[place]} directions, step {step}, mean of {shares.Length}",
                    shares.Average(share => share[place]), "of all");
        }
    }

    /// <summary>Σ_{i ≤ r} σᵢ² / Σ σᵢ² for each rank r.</summary>
    private static double[] Shares(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var squares = linalg.svdvals(gradient.to(ScalarType.Float64)).square();
        var sums = (squares.cumsum(0) / squares.sum()).data<double>().ToArray();
        return [.. Ranks.Select(rank => sums[Math.Min(rank, sums.Length) - 1])];
    }
}
