using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Steady steps over 203 matrices of 8 × 8 on one thread, whose arithmetic is next to nothing: what calls and objects cost, against AdamW's, and what
/// they leave to the garbage collector.</summary>
internal static class OverheadFigures
{
    private const int Rank = 4, Steps = 20;

    /// <summary>What a step may cost, as a multiple of AdamW's, and allocate, in bytes a matrix. CoLA stands for plain Adam, on two factors a matrix.</summary>
    private static readonly (string Method, double AtMost, double MostBytes)[] Limits =
    [
        ("CoLA", 0.25, 160),
        ("GaLore", 0.35, 240),
        ("Fira", 0.85, 560),
    ];

    public static IEnumerable<Figure> Measure()
    {
        var threads = get_num_threads();
        set_num_threads(1);
        try
        {
            return [.. OnOneThread()];
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private static IEnumerable<Figure> OnOneThread()
    {
        using var matrices = Matrices.Of(layers: 29, hidden: 8, intermediate: 8);
        var optimizers = Limits.Select(limit => limit.Method).Prepend(Methods.AdamW)
            .ToDictionary(method => method, method => Methods.Make(method, matrices, Rank));
        var rounds = Rounds.Run(count: 200, warmUps: 100, round =>
        {
            foreach (var (method, optimizer) in optimizers)
                round.Time(method, () => optimizer.step());
        });

        foreach (var (method, atMost, _) in Limits)
            yield return new($"step of {method}, rank {Rank} / of {Methods.AdamW}, matrices of 8 x 8", rounds.Ratio(method, Methods.AdamW), "times",
                Goal.AtMost(atMost));
        yield return new($"objects of a step of {Methods.AdamW}, a matrix", BytesOfStep(optimizers[Methods.AdamW]) / matrices.Parameters.Count, "bytes");
        foreach (var (method, _, mostBytes) in Limits)
            yield return new($"objects of a step of {method}, rank {Rank}, a matrix", BytesOfStep(optimizers[method]) / matrices.Parameters.Count, "bytes",
                Goal.AtMost(mostBytes));

        foreach (var optimizer in optimizers.Values)
            optimizer.Dispose();
    }

    private static double BytesOfStep(optim.Optimizer optimizer)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 0; step < Steps; step++)
            optimizer.step();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / (double)Steps;
    }
}
