using LanguageModel.CommandLine;
using LanguageModel.Methods;

namespace LowRankTraining.Benchmarks.Tables;

/// <summary>The tables of the comparison of all methods, and their pages.</summary>
internal static class ComparisonTables
{
    /// <summary>Tokens of a run, whole steps of each length: the short one, the one that chooses the rates of the long one, and the long one.</summary>
    public const long Short = 204_800, Half = 499_712, Long = 1_998_848;

    /// <summary>Tokens of a run of the larger model.</summary>
    public const long Larger = 3_999_744;

    private const string Model = "9m", LargerModel = "20m";
    private const string Comparison = "benchmarks/results/comparison/README.md";

    /// <summary>Every part that is made, from the results under <paramref name="root"/>.</summary>
    public static IEnumerable<GeneratedPart> Of(string root)
    {
        var (runs, steps) = (ComparisonRuns.Read(root), StepRow.Read(root));
        return
        [
            new(Comparison, "short run", ShortRun(runs)),
            new(Comparison, "short run, rates", ShortRates(runs)),
            new(Comparison, "two million tokens", LongRun(runs, steps)),
            new(Comparison, "four million tokens, 20m", LargerRun(runs)),
            new(Comparison, "short run, seeds", ShortSeeds(runs)),
            new("benchmarks/results/README.md", "two million tokens, seeds", LongSeeds(runs)),
            new("docs/choosing-a-method.md", "measured", Measured(runs, steps, name => PageOf(name, root))),
            new("docs/images/perplexity.svg", null, PerplexityPicture.Draw(runs)),
        ];
    }

    /// <summary>The best run of each method after so many tokens, the lowest perplexity first.</summary>
    public static IEnumerable<ComparisonRun> BestOfAll(ComparisonRuns runs, long tokens) =>
        AllMethods.List.Select(method => runs.BestOf(method, Model, tokens)).OfType<ComparisonRun>().OrderBy(run => run.Perplexity);

    /// <summary>The best run after <see cref="Long"/> tokens of each method with three seeds, the lowest mean first.</summary>
    public static IEnumerable<(ComparisonRun Run, SeedRuns Seeds)> LongMeans(ComparisonRuns runs) =>
        BestOfAll(runs, Long).Select(run => (run, runs.SeedsOf(run)!)).Where(pair => pair.Item2 is not null).OrderBy(pair => pair.Item2.Mean);

    private static string ShortRun(ComparisonRuns runs) =>
        new MarkdownTable(["method", "learning rate", "perplexity", "state", "of AdamW's", "peak of tensors"]).Of(BestOfAll(runs, Short), run =>
        [
            run.Title, Rate(run), Describe.Fixed(run.Perplexity, 3), Describe.Bytes((long)run.StateBytes), Percent(runs.ShareOf(run)),
            Describe.Bytes((long?)run.PeakBytes),
        ]);

    private static string ShortRates(ComparisonRuns runs) =>
        new MarkdownTable(["method", "perplexity at learning rate"]).Of(BestOfAll(runs, Short), run => [run.Title, Rates(runs, run, Short)]);

    /// <summary>Every run of the first seed; each method's rates are told once, where the rate is the one that they have chosen.</summary>
    private static string LongRun(ComparisonRuns runs, IReadOnlyList<StepRow> steps) => new MarkdownTable(
        ["method", "learning rate", "perplexity", "state, of AdamW's", "peak of tensors", "step, of AdamW's", "perplexity after 500,000 tokens, by rate"]).Of(
        LongRuns(runs).OrderBy(run => run.Perplexity),
        run =>
        [
            run.Title, Rate(run), Describe.Fixed(run.Perplexity, 3), Percent(runs.ShareOf(run)), Describe.Bytes((long?)run.PeakBytes),
            StepOf(run, steps) is { } step ? Describe.Fixed(step.Share, 2) : "–", Rates(runs, run, Half),
        ]);

    private static IEnumerable<ComparisonRun> LongRuns(ComparisonRuns runs) =>
        AllMethods.List.Concat(AllMethods.Ablations).SelectMany(method => runs.RatesOf(method, Model, Long));

    /// <summary>The first seed of the larger model, by the methods that were tried there.</summary>
    private static string LargerRun(ComparisonRuns runs)
    {
        var larger = AllMethods.List.SelectMany(method => runs.RatesOf(method, LargerModel, Larger)).OrderBy(run => run.Perplexity).ToList();
        var adamW = ComparisonRuns.Best(larger.Where(run => run.Method == AllMethods.List[0].Name));
        return new MarkdownTable(["method", "learning rate", "perplexity", "of AdamW's perplexity", "state", "of AdamW's", "peak of tensors"]).Of(larger, run =>
        [
            run.Title, Rate(run), Describe.Fixed(run.Perplexity, 3), Percent(run.Perplexity / adamW!.Perplexity), Describe.Bytes((long)run.StateBytes),
            Percent(runs.ShareOf(run)), Describe.Bytes((long?)run.PeakBytes),
        ]);
    }

    private static string ShortSeeds(ComparisonRuns runs) =>
        new MarkdownTable(["method", "learning rate", "42", "43", "44", "mean"]).Of(
            BestOfAll(runs, Short).Select(runs.SeedsOf).OfType<SeedRuns>().OrderBy(seeds => seeds.Mean),
            seeds => [seeds.Runs[0].Title, Rate(seeds.Runs[0]), .. Each(seeds), Describe.Fixed(seeds.Mean, 3)]);

    private static string LongSeeds(ComparisonRuns runs) =>
        new MarkdownTable(["method", "learning rate", "seed 42", "43", "44", "mean", "spread (standard deviation)", "state, of AdamW's"]).Of(
            LongRuns(runs).Select(runs.SeedsOf).OfType<SeedRuns>().OrderBy(seeds => seeds.Mean),
            seeds =>
            [
                seeds.Runs[0].Title, Rate(seeds.Runs[0]), .. Each(seeds), Describe.Fixed(seeds.Mean, 3), Describe.Fixed(seeds.Spread, 3),
                Percent(runs.ShareOf(seeds.Runs[0])),
            ]);

    private static string Measured(ComparisonRuns runs, IReadOnlyList<StepRow> steps, Func<string, string?> pageOf)
    {
        var shortRuns = BestOfAll(runs, Short).ToDictionary(run => run.Method);
        return new MarkdownTable(
            ["method", "perplexity, 2 million tokens", "0.2 million", "state, of AdamW's", "step, of AdamW's", "scratch, in matrices", "learning rates"],
            areNumbers: true).Of(LongMeans(runs), pair =>
        {
            var (run, shortRun) = (pair.Run, shortRuns[pair.Run.Method]);
            var step = StepOf(run, steps);
            return
            [
                pageOf(run.Method) is { } page ? $"[{run.Title}]({page})" : run.Title,
                MeanOf(pair.Seeds),
                Describe.Fixed(shortRun.Perplexity, 2),
                Percent(runs.ShareOf(shortRun)),
                step is null ? "–" : Describe.Fixed(step.Share, 2),
                step is null ? "–" : Describe.Fixed(step.Scratch, 2),
                $"{Rate(run)}; {Rate(shortRun)}",
            ];
        });
    }

    /// <summary>What the method's step takes; null where it was not measured.</summary>
    private static StepRow? StepOf(ComparisonRun run, IReadOnlyList<StepRow> steps) =>
        steps.FirstOrDefault(row => row.Optimizer == (run.Method == AllMethods.List[0].Name ? Methods.AdamW : run.Title));

    /// <summary>A mean with its spread.</summary>
    public static string MeanOf(SeedRuns seeds) => $"{Describe.Fixed(seeds.Mean, 2)} ± {Describe.Fixed(seeds.Spread, 2)}";

    /// <summary>A share in percent.</summary>
    public static string Percent(double share) => $"{Describe.Fixed(100 * share, 0)} %";

    private static IEnumerable<string> Each(SeedRuns seeds) => seeds.Runs.Select(run => Describe.Fixed(run.Perplexity, 3));

    private static string Rate(ComparisonRun run) => Describe.Rate(run.LearningRate);

    /// <summary>What the first seed has come to at each rate after so many tokens; for a run at another rate than the best of them, at that one.</summary>
    private static string Rates(ComparisonRuns runs, ComparisonRun run, long tokens)
    {
        var rates = runs.RatesOf(AllMethods.Find(run.Method), Model, tokens);
        var best = ComparisonRuns.Best(rates)!;
        return string.Join(", ", best.LearningRate == run.LearningRate
            ? rates.Select(rate => $"{Rate(rate)}: {(rate == best ? $"**{Perplexity(rate)}**" : Perplexity(rate))}")
            : rates.Where(rate => rate.LearningRate == run.LearningRate).Select(Perplexity));
    }

    private static string Perplexity(ComparisonRun run) => double.IsFinite(run.Perplexity) ? Describe.Fixed(run.Perplexity, 2) : "diverged";

    /// <summary>A method's page, or that of the method whose variant it is; null where there is none.</summary>
    private static string? PageOf(string method, string root) =>
        new[] { method, method.Split('-')[0] }.Select(name => $"methods/{name}.md").FirstOrDefault(page => File.Exists(Path.Combine(root, "docs", page)));
}
