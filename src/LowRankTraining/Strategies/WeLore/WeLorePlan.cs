using System.Globalization;
using System.Text;

namespace LowRankTraining.Strategies;

/// <summary>How far each matrix of a model can be reduced: ranks from the spectra of the weights, by one threshold for all of them.</summary>
/// <remarks>
/// <para>Singular values, normalized per matrix to [0, 1], are taken away where they are below κ; κ is such that a given share of all of them goes. No data is
/// needed, and the model is not changed.</para>
/// <para>Print it: <c>Console.WriteLine(WeLorePlan.For(model, ratio: 0.5))</c>.</para>
/// <para>Source: Jaiswal et al., WeLore, arXiv 2407.11239, section 3.</para>
/// </remarks>
public sealed class WeLorePlan
{
    private WeLorePlan(double ratio, double threshold, IReadOnlyList<WeLoreLayer> layers) => (Ratio, Threshold, Layers) = (ratio, threshold, layers);

    /// <value>A sentence on each pattern of the targets that has no effect in the model.</value>
    private IReadOnlyList<string> Unused { get; init; } = [];

    /// <value>The share of singular values that was to be taken away.</value>
    public double Ratio { get; }

    /// <value>κ.</value>
    public double Threshold { get; }

    /// <value>Every matrix, in the model's order.</value>
    public IReadOnlyList<WeLoreLayer> Layers { get; }

    /// <value>The share of singular values that is taken away.</value>
    public double Reduced => (double)Layers.Sum(layer => layer.Reduction) / Layers.Sum(layer => layer.Spectrum.Values.Count);

    /// <value>Numbers in all matrices before.</value>
    public long ParametersBefore => Layers.Sum(layer => layer.ParametersBefore);

    /// <value>Numbers afterwards, in factors and in the weights that stay.</value>
    public long ParametersAfter => Layers.Sum(layer => layer.ParametersAfter);

    /// <value>The rank that each matrix keeps, for any method whose options take <c>Ranks</c>.</value>
    public RankAllocation Ranks => new(Layers.ToDictionary(layer => layer.Name, layer => layer.Rank));

    /// <summary>Plans a model.</summary>
    /// <param name="model">A trained model.</param>
    /// <param name="targets">The matrices; all linear weights but the output head when null.</param>
    /// <param name="ratio">The share of singular values to take away, in (0, 1). Default 0.5.</param>
    /// <param name="minRatio">The share that a matrix has to lose to become factors, in [0, 1]; null where these have to be smaller than the matrix. Default
    /// 0.5 (WeLore's fine-tuning).</param>
    /// <exception cref="ArgumentOutOfRangeException">A ratio out of range.</exception>
    /// <exception cref="ArgumentException">The targets match nothing, or something that holds NaN or infinity.</exception>
    public static WeLorePlan For(
        nn.Module model, Targets? targets = null, double ratio = 0.5, double? minRatio = 0.5)
    {
        targets = Targets.Of(targets, AdapterPlanner.DefaultTargets)!;
        var trained = NamedParameter.Of(model).Where(candidate => !candidate.IsFrozen).ToArray();
        return Of(
            AdapterPlanner.Choose(model, trained, targets).Select(candidate => (candidate.Name, candidate.Parameter.shape.Sides(), SpectrumOf(candidate))),
            ratio, minRatio, targets.Unused(trained));
    }

    /// <summary>Plans from spectra that are known.</summary>
    /// <param name="matrices">Name, rows and columns, and the singular values.</param>
    /// <param name="ratio">The share of singular values to take away, in (0, 1).</param>
    /// <param name="minRatio">The share that a matrix has to lose to become factors, in [0, 1]; null where these have to be smaller than the matrix.</param>
    /// <exception cref="ArgumentOutOfRangeException">A ratio out of range.</exception>
    public static WeLorePlan Of(
        IEnumerable<(string Name, (long Rows, long Columns) Shape, Spectrum Spectrum)> matrices,
        double ratio = 0.5, double? minRatio = 0.5) => Of(matrices, ratio, minRatio, unused: []);

    private static WeLorePlan Of(
        IEnumerable<(string Name, (long Rows, long Columns) Shape, Spectrum Spectrum)> matrices, double ratio, double? minRatio, IReadOnlyList<string> unused)
    {
        if (!(ratio is > 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(ratio), ratio, "The ratio is a share of the singular values: above 0 and below 1.");
        if (minRatio is not (null or (>= 0 and <= 1)))
            throw new ArgumentOutOfRangeException(nameof(minRatio), minRatio, "The least ratio is a share of the singular values: at least 0 and at most 1.");

        var known = matrices.ToArray();
        var threshold = ThresholdFor(ratio, [.. known.Select(matrix => matrix.Spectrum)]);
        var layers = known.Select(matrix => new WeLoreLayer(
            matrix.Name, matrix.Shape.Rows, matrix.Shape.Columns, matrix.Spectrum, matrix.Spectrum.Below(threshold), minRatio));
        return new(ratio, threshold, [.. layers]) { Unused = unused };
    }

    /// <summary>A table of all matrices, and the sums; and a line for each pattern of the targets that has no effect in the model.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        var width = Math.Max("matrix".Length, Layers.Max(layer => layer.Name.Length));
        text.AppendLine(CultureInfo.InvariantCulture, $"{"matrix".PadRight(width)} {"shape",13} {"largest σ",10} {"median σ",10} {"rank",11} {"energy",8}  "
            + $"{"becomes",-8} {"parameters",23}");
        foreach (var layer in Layers)
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{layer.Name.PadRight(width)} {$"{layer.Rows} x {layer.Columns}",13} {layer.Spectrum.Largest,10:g4} {layer.Spectrum.Median,10:g4} "
                + $"{$"{layer.Rank} of {layer.Spectrum.Values.Count}",11} {layer.Energy,8:p1}  {(layer.IsLowRank ? "factors" : "stays"),-8} "
                + $"{$"{layer.ParametersBefore} -> {layer.ParametersAfter}",23}");
        text.Append(CultureInfo.InvariantCulture,
            $"{Reduced:p1} of the singular values go (threshold {Threshold:g4}); "
            + $"{Layers.Count(layer => layer.IsLowRank)} of {Layers.Count} matrices become factors; {ParametersBefore} -> {ParametersAfter} parameters");
        return string.Join(Environment.NewLine, Unused.Prepend(text.ToString()));
    }

    /// <summary>The κ that takes a given share of all singular values away, by bisection: the share is a rising staircase in κ. Of both sides of the step
    /// that the target falls on, the nearer is taken.</summary>
    private static double ThresholdFor(double target, IReadOnlyList<Spectrum> spectra)
    {
        const int Iterations = 60;
        var (low, high) = (0.0, 1.0);
        for (var iteration = 0; iteration < Iterations; iteration++)
        {
            var middle = (low + high) / 2;
            (low, high) = ShareBelow(middle) < target ? (middle, high) : (low, middle);
        }

        return target - ShareBelow(low) < ShareBelow(high) - target ? low : high;

        double ShareBelow(double threshold) =>
            (double)spectra.Sum(spectrum => spectrum.Below(threshold)) / spectra.Sum(spectrum => spectrum.Values.Count);
    }

    private static Spectrum SpectrumOf(NamedParameter candidate)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var matrix = candidate.Parameter.AsMatrix();
        if (!matrix.isfinite().all().ToBoolean())
            throw new ArgumentException($"'{candidate.Name}' holds NaN or infinity, so it has no singular values. "
                + "Leave it out with Targets.Except, or load the model again. Nothing was changed.");
        return Spectrum.Of(matrix);
    }
}
