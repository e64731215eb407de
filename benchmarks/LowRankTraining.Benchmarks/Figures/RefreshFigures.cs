namespace LowRankTraining.Benchmarks.Figures;

/// <summary>A refresh of all matrices against one by exact SVD.</summary>
/// <remarks>The figure is the time of finding the bases, taken inside a step of GaLore that refreshes every matrix; the time of the whole step, which
/// projects and updates as well, stands beside it.</remarks>
internal static class RefreshFigures
{
    private const int Rank = 128;
    private const string Exact = "exact SVD", Default = "randomized SVD", Warm = "warm-started";

    public static IEnumerable<Figure> Measure()
    {
        using var matrices = Matrices.Of60M();
        var candidates = new[] { Exact, Default, Warm }.Select(name => (Name: name, Basis: new TimedBasis(Methods.Basis(name)))).ToArray();
        var optimizers =
            candidates.ToDictionary(candidate => candidate.Name, candidate =>
                Methods.Make("GaLore", matrices, Rank, new Refreshing(Every: 1, candidate.Basis)));

        // Two warm-ups: only the second refresh of the warm-started basis is one.
        var rounds = Rounds.Run(count: 15, warmUps: 2, round =>
        {
            foreach (var (name, basis) in candidates)
            {
                round.Time(Step(name), () => optimizers[name].step());
                round.Add(name, basis.Take());
            }
        });

        foreach (var optimizer in optimizers.Values)
            optimizer.Dispose();

        foreach (var (name, _) in candidates)
        {
            yield return new($"refresh by {name}", rounds.Median(name), "ms");
            yield return new($"whole step with refresh by {name}", rounds.Median(Step(name)), "ms");
        }

        foreach (var name in new[] { Default, Warm })
        {
            yield return new($"refresh by {Exact} / by {name}", rounds.Ratio(Exact, name), "times", Goal.AtLeast(25));
            yield return new($"whole step with refresh by {Exact} / by {name}", rounds.Ratio(Step(Exact), Step(name)), "times");
        }
    }

    private static string Step(string name) => $"{name}, step";
}
