using LowRankTraining.ByteCounting;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>The most bytes that a step holds above those at rest, in units of the largest matrix.</summary>
/// <remarks>There are no such figures where the bytes of tensors cannot be counted.</remarks>
internal static class ScratchFigures
{
    private const int Rank = 128;
    private static readonly string[] Found = ["randomized SVD", "warm-started"];
    private static readonly (string Method, string[] Bases)[] Projecting = [("GaLore", Found), ("Fira", Found), ("APOLLO", ["Gaussian"])];

    public static IEnumerable<Figure> Measure()
    {
        if (!ByteCounter.IsAvailable)
            yield break;

        foreach (var (method, bases) in Projecting)
        {
            yield return Figure($"{method}, steady step", method, Refreshing.Never);
            foreach (var basis in bases)
                yield return Figure($"{method}, step with refresh by {basis}", method, new Refreshing(Every: 1, Methods.Basis(basis)));
        }
    }

    private static Figure Figure(string name, string method, Refreshing refreshing)
    {
        using var matrices = Matrices.Of60M();
        using var optimizer = Methods.Make(method, matrices, Rank, refreshing);
        return new($"scratch of a step / largest matrix: {name}", ShareOf(optimizer, matrices)!.Value, "times", Goal.AtMost(1));
    }

    /// <summary>The most bytes during a step above those before it, in units of the largest matrix; null where bytes cannot be counted.</summary>
    public static double? ShareOf(optim.Optimizer optimizer, Matrices matrices) => !ByteCounter.IsAvailable
        ? null
        : (double)Peak(optimizer) / matrices.Parameters.Max(pair => pair.parameter.NumberOfElements * pair.parameter.ElementSize);

    /// <summary>Of a step by which the state has its final size.</summary>
    private static long Peak(optim.Optimizer optimizer)
    {
        optimizer.step();
        optimizer.step();
        GC.Collect();
        GC.WaitForPendingFinalizers();

        var before = ByteCounter.Live;
        ByteCounter.ResetPeak();
        optimizer.step();
        return ByteCounter.Peak - before;
    }
}
