using LanguageModel.Model;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;

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
        ("Balanced", size => 2 * Rank * size.Short + 2 * InBlocks(Rank * size.Long) + 4),
        ("CoLA", size => 4 * 2 * Rank * (size.Rows + size.Columns)),
        ("Low-rank factorization", size => 4 * 2 * Rank * (size.Rows + size.Columns)),
        ("Fira", size => 4 * (Rank * (size.Short + 2 * size.Long) + 1)),
        ("FRUGAL", size => (4 * 2 * size.Long + 8) * size.Short / 4),
        ("GaLore", size => 4 * Rank * (size.Short + 2 * size.Long)),
        ("GaLore 2", size => 4 * Rank * (size.Short + 2 * size.Long)),
        ("GradNormLoRP", size => 4 * (Rank * (size.Rows + size.Columns + 2 * Rank) + 2 * size.Rows)),
        ("InRank", size => 4 * 2 * Rank * (size.Rows + size.Columns + 1)),
        ("LDAdam", size => 4 * (Rank * (size.Short + 2 * size.Long) + size.Short * size.Long)),
        ("Online Subspace Descent", size => 4 * Rank * (3 * size.Short + 2 * size.Long)),
        ("SubTrack++", size => 4 * (Rank * (size.Short + 2 * size.Long) + 1)),
    ];

    /// <summary>One byte a number, and a float32 for every 256 of them.</summary>
    private static long InBlocks(long numbers) => numbers + 4 * ((numbers + 255) / 256);

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
        yield return PlannedShareOfAdamW();
    }

    /// <summary>The whole model, embedding, head and norms included, without allocating it.</summary>
    private static Figure PlannedShareOfAdamW()
    {
        var inEightBits = new GaLore { Rank = 256, States = StateFormat.Blockwise8Bit, TableStates = StateFormat.Blockwise8Bit };
        var plan = MemoryPlan.For(LlamaConfigs.Find("350m").Shapes, inEightBits);
        return new("state of 8-bit GaLore / of AdamW, planned, all of 350m, table too, rank 256", plan.ShareOfAdamW, "times", Goal.AtMost(0.20));
    }

    /// <summary>Every layer has the same matrices, so one of them has the share of all.</summary>
    private static Figure ShareOfAdamW(string method)
    {
        using var matrices = Matrices.OfOneLayerOf350M();
        using var optimizer = (LowRankOptimizer)Methods.Make(method, matrices, rank: 256);
        optimizer.step();
        return new($"state of {method} / of AdamW, a layer of 350m, rank 256", optimizer.StateBytes / (2.0 * sizeof(float) * matrices.Elements), "times",
            Goal.AtMost(0.20));
    }

    private readonly record struct Size(long Rows, long Columns)
    {
        public long Short => Math.Min(Rows, Columns);

        public long Long => Math.Max(Rows, Columns);
    }
}
