using LanguageModel.Methods;

namespace LowRankTraining.Benchmarks.Tables;

/// <summary>All runs of the comparison that are committed.</summary>
internal sealed class ComparisonRuns(IReadOnlyList<ComparisonRun> all)
{
    /// <summary>The seed that chooses learning rates.</summary>
    private const long First = 42;

    /// <summary>The seeds of a mean.</summary>
    private static readonly long[] Seeds = [First, 43, 44];

    /// <value>Every run.</value>
    public IReadOnlyList<ComparisonRun> All => all;

    /// <summary>Reads <c>benchmarks/results/comparison/runs.jsonl</c> under <paramref name="root"/>, the folder of the repository.</summary>
    public static ComparisonRuns Read(string root) =>
        new([.. File.ReadLines(Path.Combine(root, "benchmarks", "results", "comparison", "runs.jsonl")).Select(ComparisonRun.Parse)]);

    /// <summary>Optimizer state of a run, of AdamW's on the same model.</summary>
    public double ShareOf(ComparisonRun run) =>
        run.StateBytes / all.First(other => other.Method == AllMethods.List[0].Name && other.Model == run.Model).StateBytes;

    /// <summary>The learning rates that the first seed has tried with a method, the smallest first.</summary>
    public IReadOnlyList<ComparisonRun> RatesOf(Method method, string model, long tokens) =>
        [.. all.Where(run => run.Method == method.Name && run.Model == model && run.Tokens == tokens && run.Seed == First).OrderBy(run => run.LearningRate)];

    /// <summary>The best of them; null where none was tried.</summary>
    public ComparisonRun? BestOf(Method method, string model, long tokens) => Best(RatesOf(method, model, tokens));

    /// <summary>The run with the lowest perplexity.</summary>
    public static ComparisonRun? Best(IEnumerable<ComparisonRun> runs) => runs.Where(run => double.IsFinite(run.Perplexity)).MinBy(run => run.Perplexity);

    /// <summary>The same run with each of three seeds; null where one is missing.</summary>
    public SeedRuns? SeedsOf(ComparisonRun run)
    {
        var same = all.Where(other => other.Setting == run.Setting && other.Model == run.Model).ToLookup(other => other.Seed);
        return Seeds.All(same.Contains) ? new([.. Seeds.Select(seed => same[seed].First())]) : null;
    }
}

/// <summary>A run with each of three seeds.</summary>
internal sealed record SeedRuns(IReadOnlyList<ComparisonRun> Runs)
{
    /// <value>Of the perplexities.</value>
    public double Mean => Runs.Average(run => run.Perplexity);

    /// <value>Standard deviation of the perplexities, of a sample.</value>
    public double Spread => Math.Sqrt(Runs.Sum(run => Math.Pow(run.Perplexity - Mean, 2)) / (Runs.Count - 1));
}
