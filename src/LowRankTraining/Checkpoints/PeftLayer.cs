using LowRankTraining.Adapters;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>One layer of an adapter as it stands in a file: a change s B A of the weight that the model came with.</summary>
internal sealed record PeftLayer(string Module, Tensor A, Tensor B, Tensor? Magnitude, double Scale)
{
    private long Rank => A.shape[0];

    /// <summary>s (B A − B₀ A₀) = s [B, −B₀] [A; A₀] where the factors have started from a part of the weight.</summary>
    public static PeftLayer Of(FactorSet set)
    {
        var (a, b) = (set.A.detach(), set.B.detach());
        if (set.Initial is not { } initial)
            return new(set.Module, a, b, set.Magnitude?.detach(), set.Scale);

        var (a0, b0) = (initial.A.to(a.device), initial.B.to(b.device));
        return new(set.Module, cat([a, a0], 0), cat([b, b0.neg()], 1), set.Magnitude?.detach(), set.Scale);
    }

    public static PeftConfig ConfigOf(IReadOnlyList<PeftLayer> layers, AdapterSession session)
    {
        var (dropout, stabilized) = (session.Options.Dropout, session.Options.RankStabilized);
        var rank = Usual(layers.Select(layer => layer.Rank));
        var alpha = Usual(layers.Select(layer => layer.AlphaIf(stabilized)));

        // The pattern of a longer name may be the end of a shorter one's, and the first that matches counts.
        var special = layers.OrderByDescending(layer => layer.Module.Length).ThenBy(layer => layer.Module, StringComparer.Ordinal).ToArray();
        return new PeftConfig
        {
            Rank = (int)rank,
            Alpha = alpha,
            RankPattern = special.Where(layer => layer.Rank != rank).ToDictionary(layer => layer.Module, layer => (int)layer.Rank),
            AlphaPattern = special.Where(layer => layer.AlphaIf(stabilized) != alpha).ToDictionary(layer => layer.Module, layer => layer.AlphaIf(stabilized)),
            Dropout = dropout,
            RankStabilized = stabilized,
            UsesDoRA = layers.Any(layer => layer.Magnitude is not null),
            TargetModules = [.. layers.Select(layer => layer.Module)],
        };
    }

    /// <summary>Everything in which a file differs from what a session has.</summary>
    public static IEnumerable<string> ProblemsOf(SafeTensorsFile file, PeftConfig config, IReadOnlyList<FactorSet> factors)
    {
        var expected = factors.SelectMany(PeftAdapter.Parameters).ToDictionary(pair => pair.Name, pair => pair.Parameter);
        foreach (var name in file.Names.Where(name => !expected.ContainsKey(name)))
            yield return $"it has '{name}', and the session has no such factor";
        foreach (var (name, parameter) in expected)
            if (!file.Has(name))
                yield return $"'{name}' is missing";
            else if (!file.ShapeOf(name).SequenceEqual(parameter.shape))
                yield return $"'{name}' is [{string.Join(", ", file.ShapeOf(name))}], and the session's is [{string.Join(", ", parameter.shape)}]";
            else if (!IsFloatingPoint(file.TypeOf(name)))
                yield return $"'{name}' is of dtype {file.TypeOf(name)}";

        foreach (var set in factors)
            if (ScaleOf(config, set) is var scale && Math.Abs(scale - set.Scale) > 1e-9 * Math.Abs(set.Scale))
                yield return FormattableString.Invariant($"it scales '{set.Module}' by {scale:g6}, and the session by {set.Scale:g6}");
    }

    private static bool IsFloatingPoint(ScalarType type) => type is ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16;

    private static double ScaleOf(PeftConfig config, FactorSet set)
    {
        var rank = NamePattern.Choose(config.RankPattern, set.Weight) ?? config.Rank;
        var alpha = NamePattern.Choose(config.AlphaPattern, set.Weight) ?? config.Alpha;
        return alpha / (config.RankStabilized ? Math.Sqrt(rank) : rank);
    }

    /// <summary>α of s = α/r or α/√r, freed of the rounding that the division has left in s.</summary>
    private double AlphaIf(bool stabilized)
    {
        var alpha = Scale * (stabilized ? Math.Sqrt(Rank) : Rank);
        return Math.Abs(alpha - Math.Round(alpha)) < 1e-9 * Math.Abs(alpha) ? Math.Round(alpha) : alpha;
    }

    private static TValue Usual<TValue>(IEnumerable<TValue> values) where TValue : notnull => values.GroupBy(value => value).MaxBy(group => group.Count())!.Key;
}
