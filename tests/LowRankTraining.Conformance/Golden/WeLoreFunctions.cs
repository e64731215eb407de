using System.Globalization;
using System.Text.RegularExpressions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded decisions of WeLore on the ranks of a model's matrices.</summary>
public static partial class WeLoreFunctions
{
    /// <summary>The recorded thresholds, and our search for the one that gives the recorded share.</summary>
    public static IReadOnlyList<Deviation> Ranks(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var names = NamesOf(golden);
        var weights = names.Select(name => Trajectory.ToTensor(golden[$"w.{name}"])).ToArray();
        var spectra = weights.Select(Spectrum.Of).ToArray();

        var deviations = names.Zip(spectra)
            .Select(pair => Deviation.Of($"singular_values.{pair.First}", [.. pair.Second.Values], golden[$"singular_values.{pair.First}"].Values)).ToList();
        var thresholds = golden.Text("hp.thresholds").Split(',').Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        for (var i = 0; i < thresholds.Length; i++)
        {
            var share = golden[$"reduced_fraction.{i}"].Values[0];
            double[] reduction = [.. spectra.Select(spectrum => (double)spectrum.Below(thresholds[i]))];
            var plan =
                WeLorePlan.Of(names.Zip(weights, spectra).Select(matrix => (matrix.First, (matrix.Second.shape[0], matrix.Second.shape[1]), matrix.Third)),
                    ratio: share);

            deviations.Add(Deviation.Of($"reduction.{i}", reduction, golden[$"reduction.{i}"].Values));
            deviations.Add(Deviation.Of($"reduced_fraction.{i}", [plan.Reduced], [share]));
            deviations.Add(Deviation.Of($"kept_rank.{i}", [.. plan.Layers.Select(layer => (double)layer.Rank)], golden[$"kept_rank.{i}"].Values));
        }

        foreach (var (name, weight, rank) in names.Zip(weights, golden[TruncatedTo(golden)].Values))
        {
            var layer = new FactorizedLinear(nn.Linear(new Parameter(weight.clone())), (int)rank);
            deviations.Add(Deviation.Of($"approximation.{name}", layer.EffectiveWeight(), golden[$"approximation.{name}"]));
        }

        return deviations;
    }

    /// <summary>The matrices, in the order of the tables: the notes name it, and else it is the file's.</summary>
    private static string[] NamesOf(GoldenCase golden)
    {
        string[] recorded = [.. golden.NamesAfter("w.")];
        string[] listed =
            [.. Order().Match(NotesOf(golden)).Groups["names"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        if (listed.Length > 0 && !listed.ToHashSet().SetEquals(recorded))
            throw new InvalidDataException($"The notes of '{golden.Name}' list other matrices than those that are recorded: {string.Join(", ", recorded)}.");
        return listed.Length > 0 ? listed : recorded;
    }

    /// <summary>The table of the ranks that the approximations have: the notes name it, and else there must be one only.</summary>
    private static string TruncatedTo(GoldenCase golden) => Table().Match(NotesOf(golden)) is { Success: true } named
        ? named.Groups["table"].Value
        : "kept_rank." + golden.NamesAfter("kept_rank.").Single();

    private static string NotesOf(GoldenCase golden) => golden.Has("notes") ? golden.Text("notes") : "";

    [GeneratedRegex("order of the entries in every table: (?<names>[^;]*)")]
    private static partial Regex Order();

    [GeneratedRegex(@"approximation\.\* is the rank-(?<table>kept_rank\.\d+)")]
    private static partial Regex Table();
}
