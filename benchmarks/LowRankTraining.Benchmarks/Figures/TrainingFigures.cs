using LowRankTraining.Strategies;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Whole steps of training (forward, backward, update) with frozen weights, against AdamW on all of them.</summary>
/// <remarks>A linear layer d × d costs 6 d² operations per token. With factors of rank r it is 4 d² + 12 r d where they stand beside the weight, less below r =
/// d/6, which is 42 at this width; and about 4 d² + 8 r d where there are enough tokens to make W + s B A first.</remarks>
internal static class TrainingFigures
{
    private const string Model = "20m";

    /// <summary>Above d/6 the ratio is only shown.</summary>
    private static readonly (string Name, Goal? Goal, Func<ILowRankStrategy> Make)[] Candidates =
    [
        ("LoRA, rank 16", Goal.AtMost(1), () => new LoRA { Rank = 16, TrainOthers = true }),
        ("LoRA, rank 32", Goal.AtMost(1), () => new LoRA { Rank = 32, TrainOthers = true }),
        ("ReLoRA, rank 32", Goal.AtMost(1), () => new ReLoRA { Rank = 32 }),
        ("ReLoRA, rank 128", null, () => new ReLoRA { Rank = 128 }),
    ];

    public static IEnumerable<Figure> Measure()
    {
        using var tokens = TrainedModel.Tokens(batch: 4, sequence: 257);
        var runs = Candidates.Select(candidate => (candidate.Name, Run: TrainedModel.By(Model, candidate.Make())))
            .Prepend((Name: Methods.AdamW, Run: TrainedModel.By(Model, null))).ToArray();

        var rounds = Rounds.Run(count: 15, warmUps: 3, round =>
        {
            foreach (var (name, run) in runs)
                round.Time(name, () => run.Step(tokens));
        });

        foreach (var (_, run) in runs)
            run.Dispose();

        yield return new($"training step of {Methods.AdamW}, {Model}", rounds.Median(Methods.AdamW), "ms");
        foreach (var (name, goal, _) in Candidates)
            yield return new($"training step of {name} / of {Methods.AdamW}, {Model}", rounds.Ratio(name, Methods.AdamW), "times", goal);
    }
}
