namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Bytes that a method keeps between steps, against its formula.</summary>
internal static class StateFigures
{
    private const int Rank = 128;

    /// <summary>Bytes of a matrix, by the formula on the method's page.</summary>
    private static readonly (string Method, Func<Size, long> Bytes)[] Formulas =
    [
        ("APOLLO", size => 4 * (2 * Rank * size.Long + 1)),
        ("APOLLO-Mini", size => 4 * (2 * size.Long + 1)),
        ("Balanced", size => 4 * (Rank * (size.Short + 2 * size.Long) + 1)),
        ("Fira", size => 4 * (Rank * (size.Short + 2 * size.Long) + 1)),
        ("FRUGAL", size => (4 * 2 * size.Long + 8) * size.Short / 4),
        ("GaLore", size => 4 * Rank * (size.Short + 2 * size.Long)),
        ("GaLore 2", size => 4 * Rank * (size.Short + 2 * size.Long)),
        ("GradNormLoRP", size => 4 * (Rank * (size.Rows + size.Columns + 2 * Rank) + 2 * size.Rows)),
        ("LDAdam", size => 4 * (Rank * (size.Short + 2 * size.Long) + size.Short * size.Long)),
        ("Online Subspace Descent", size => 4 * Rank * (3 * size.Short + 2 * size.Long)),
        ("SubTrack++", size => 4 * (Rank * (size.Short + 2 * size.Long) + 1)),
    ];

    public static IEnumerable<Figure> Measure()
    {
        foreach (var (method, bytes) in Formulas)
        {
            using var matrices = Matrices.Of60M();
            using var optimizer = (LowRankOptimizer)Methods.Make(method, matrices, Rank);
            optimizer.step();
            optimizer.step(); // some state comes with the second one

            var expected = matrices.Parameters.Sum(pair => bytes(new(pair.parameter.shape[0], pair.parameter.shape[1])));
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

    private readonly record struct Size(long Rows, long Columns)
    {
        public long Short => Math.Min(Rows, Columns);

        public long Long => Math.Max(Rows, Columns);
    }
}
