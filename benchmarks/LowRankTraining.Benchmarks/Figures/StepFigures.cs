namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Steady steps, against the floor and against full-rank AdamW.</summary>
internal static class StepFigures
{
    private const string TheFloor = "floor", GaLore = "GaLore";
    private const int Rank = 128;

    /// <summary>What each method's step may cost, as a multiple of another's in the same round.</summary>
    private static readonly (string Method, string Against, double AtMost)[] Limits =
    [
        (GaLore, TheFloor, 1.10),
        ("Fira", TheFloor, 1.25),
        ("APOLLO", Methods.AdamW, 1.0),
        ("APOLLO-Mini", Methods.AdamW, 0.4),
        ("FRUGAL", Methods.AdamW, 0.9),
        ("8-bit GaLore", GaLore, 1.5),
        ("SUMO", GaLore, 1.5),
        ("SCALE", Methods.AdamW, 1.0),
        ("SinkGD", Methods.AdamW, 1.0),
        ("Muon in bfloat16", Methods.AdamW, 2.5),
    ];

    public static IEnumerable<Figure> Measure()
    {
        using var matrices = Matrices.Of60M();
        using var floor = Floor.Of(matrices, Rank);
        var optimizers = Limits.Select(limit => limit.Method).Prepend(Methods.AdamW)
            .ToDictionary(method => method, method => Methods.Make(method, matrices, Rank));

        var rounds = Rounds.Run(count: 25, warmUps: 3, round =>
        {
            round.Time(TheFloor, floor.Step);
            foreach (var (method, optimizer) in optimizers)
                round.Time(method, () => optimizer.step());
        });

        foreach (var optimizer in optimizers.Values)
            optimizer.Dispose();

        yield return new("step of the floor", rounds.Median(TheFloor), "ms");
        yield return new($"step of {Methods.AdamW}", rounds.Median(Methods.AdamW), "ms");
        foreach (var (method, against, atMost) in Limits)
            yield return new($"step of {method} / {(against == TheFloor ? TheFloor : $"step of {against}")}", rounds.Ratio(method, against), "times",
                Goal.AtMost(atMost));
    }
}
