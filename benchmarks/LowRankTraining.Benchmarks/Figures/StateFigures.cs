namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Bytes that a method keeps between steps, against its formula.</summary>
internal static class StateFigures
{
    private const int Rank = 128;

    /// <summary>Bytes of a matrix with short side s and long side l.</summary>
    private static readonly (string Method, Func<long, long, long> Bytes)[] Formulas =
    [
        ("GaLore", (s, l) => 4 * Rank * (s + 2 * l)),
        ("Fira", (s, l) => 4 * (Rank * (s + 2 * l) + 1)),
    ];

    public static IEnumerable<Figure> Measure()
    {
        foreach (var (method, bytes) in Formulas)
        {
            using var matrices = Matrices.Of60M();
            using var optimizer = (LowRankOptimizer)Methods.Make(method, matrices, Rank);
            optimizer.step();

            var expected = matrices.Parameters.Sum(pair => bytes(pair.parameter.shape.Min(), pair.parameter.shape.Max()));
            yield return new($"state of {method}, 60m", optimizer.StateBytes, "bytes", Goal.Exactly(expected));
        }

        yield return ShareOfAdamW("8-bit GaLore");
    }

    /// <summary>Every layer has the same matrices, so one of them has the share of all.</summary>
    private static Figure ShareOfAdamW(string method)
    {
        using var matrices = Matrices.OfOneLayerOf350M();
        using var optimizer = (LowRankOptimizer)Methods.Make(method, matrices, rank: 256);
        optimizer.step();
        return new($"state of {method} / of AdamW, a layer of 350m, rank 256", optimizer.StateBytes / (2.0 * sizeof(float) * matrices.Elements), "times", Goal.AtMost(0.20));
    }
}
