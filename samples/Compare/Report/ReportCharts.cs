using System.Xml.Linq;
using Compare.Charts;
using LanguageModel.Training;

namespace Compare.Report;

/// <summary>The charts of the report.</summary>
internal static class ReportCharts
{
    /// <summary>Part of the run whose fast fall is left above the chart, so that the differences can be seen.</summary>
    private const double SteepPart = 0.15;

    /// <summary>Ratio of the highest to the lowest value from which on one method would press the others together.</summary>
    private const double WideRange = 3;

    /// <summary>Validation perplexity against tokens.</summary>
    public static XElement Validation(Findings findings)
    {
        var series = Curves(findings, result => result.Validation, Math.Exp);
        return LineChart.Draw("Validation perplexity against tokens trained on", Tokens(findings),
            Visible("validation perplexity (log scale)", series, logarithmic: true), series, withDots: true);
    }

    /// <summary>Training loss against tokens.</summary>
    public static XElement Training(Findings findings)
    {
        var series = Curves(findings, result => result.Training, loss => loss).Select(one => one.Smoothed(Math.Max(1, one.Points.Count / 50))).ToList();
        return LineChart.Draw("Training loss against tokens trained on", Tokens(findings),
            Visible("training loss (nats per token)", series, logarithmic: false), series, withDots: false);
    }

    /// <summary>Perplexity against optimizer state.</summary>
    public static XElement TradeOff(Findings findings)
    {
        var ceiling = Palette.Ceiling(findings);
        var series = findings.Ranked.Index().Where(entry => entry.Item.Perplexity <= ceiling)
            .Select(entry =>
                new Series(Palette.NameOf(findings, entry.Index), Palette.ColorOf(findings, entry.Item),
                    [(100 * findings.StateShare(entry.Item), entry.Item.Perplexity)]))
            .ToList();
        var perplexities = series.Select(one => one.Points[0].Y).ToList();
        var (low, high) = (perplexities.Min(), perplexities.Max());
        var margin = Math.Max(0.15 * (high - low), 0.01 * low);
        var isWide = high > WideRange * low;
        return DotChart.Draw(
            "Validation perplexity against optimizer state",
            Axis.Linear("optimizer state (% of AdamW’s)", 0, Math.Max(100, series.Max(one => one.Points[0].X)) * 1.02),
            isWide
                ? Axis.Logarithmic("validation perplexity (log scale)", low / 1.15, high * 1.15)
                : Axis.Linear("validation perplexity", low - margin, high + margin),
            series,
            areNamesInside: Palette.IsByFamily(findings));
    }

    private static Axis Tokens(Findings findings) =>
        Axis.Linear("tokens trained on", 0, findings.Settings.Steps * findings.Settings.Batch * findings.Settings.Sequence);

    private static List<Series> Curves(Findings findings, Func<MethodResult, IReadOnlyList<LossPoint>> curve, Func<double, double> value)
    {
        var tokensPerStep = (double)findings.Settings.Batch * findings.Settings.Sequence;
        return [.. findings.Measured.Select(result => new Series(
            result.Method.Title,
            Palette.ColorOf(findings, result),
            [.. curve(result).Select(point => (X: point.Step * tokensPerStep, Y: value(point.Loss))).Where(point => double.IsFinite(point.Y))]))];
    }

    /// <summary>From a little below the lowest value to the highest that any curve has after its steep part.</summary>
    private static Axis Visible(string title, List<Series> series, bool logarithmic)
    {
        var low = series.Min(one => one.Points.Min(point => point.Y));
        var high = series.Max(one => one.Points.Skip((int)(SteepPart * one.Points.Count)).Max(point => point.Y));
        return logarithmic
            ? Axis.Logarithmic(title, low / Math.Pow(high / low, 0.06), high)
            : Axis.Linear(title, low - 0.06 * (high - low), high);
    }
}
