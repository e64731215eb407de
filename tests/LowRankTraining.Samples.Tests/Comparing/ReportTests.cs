using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Compare;
using Compare.Report;
using Compare.Runs;
using FluentAssertions;
using LanguageModel.Data;
using LanguageModel.Methods;
using Spectre.Console;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public sealed class ReportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Table_of_all_methods_fits_into_80_columns(int seeds)
    {
        var findings = Pretended([.. AllMethods.List], seeds);
        using var writer = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(writer) });
        console.Profile.Width = 80;

        console.Write(ResultsTable.Render(findings, 80));

        var lines = writer.ToString().Split('\n').Select(line => line.TrimEnd()).ToList();
        lines.Should().OnlyContain(line => line.Length <= 80 && !line.Contains('…'));
        lines.Count(line => line.Contains('%')).Should().Be(AllMethods.List.Count - 1, "each method has one line, and one failed");
        lines.Should().Contain(line => line.Contains("Online Subspace Descent") && line.Contains("37.3 MB"));
    }

    [Fact]
    public void Bars_are_sorted_and_ties_with_the_first_marked()
    {
        var findings = Findings(("adamw", [2.0]), ("galore", [1.5]), ("fira", [1.50001]), ("lora", [1.9]));

        var bars = XDocument.Parse(Bars.Perplexities(findings)).Root!.Elements().ToList();

        bars.Select(bar => bar.Elements().First().Value).Should().Equal("GaLore", "Fira", "LoRA", "AdamW");
        bars.Select(bar => bar.Attribute("class")!.Value.Contains("best")).Should().Equal(true, true, false, false);
        ReportPage.Render(findings).Should().Contain("GaLore and Fira").And.Contain("One method ties with the first.");
    }

    [Fact]
    public void Seeds_further_apart_than_the_methods_are_a_tie()
    {
        var findings = Findings(("galore", [1.50, 1.70, 1.60]), ("fira", [1.55, 1.75, 1.64]), ("lora", [2.50, 2.51, 2.49]));

        findings.Ranked.Select(result => result.TiesWith(findings.Ranked[0])).Should().Equal(true, true, false);
    }

    [Fact]
    public void Parts_of_the_memory_make_up_the_peak()
    {
        var result = Findings(("adamw", [2.0])).Ranked[0];

        (result.WeightBytes + result.GradientBytes + result.StateBytes + result.OtherBytes).Should().Be(result.PeakTensorBytes);
        result.OtherBytes.Should().BePositive();
        var row = XDocument.Parse($"<div>{Bars.Memory(Findings(("adamw", [2.0])))}</div>").Descendants("li").Last();
        row.Descendants("i").Select(piece => double.Parse(Regex.Match(piece.Attribute("style")!.Value, @"[\d.]+").Value, CultureInfo.InvariantCulture))
            .Sum().Should().BeApproximately(100, 0.1);
    }

    [Fact]
    public void Many_methods_are_colored_by_family_and_numbered_in_the_chart_of_dots()
    {
        var findings = Pretended([.. AllMethods.List], seeds: 1);

        Palette.Legend(findings).Select(entry => entry.Name).Should().Equal(
            "Full rank", "In gradient space", "Beside the weights", "In the place of the weights");
        ReportCharts.TradeOff(findings).Descendants().Where(element => element.Attribute("class")?.Value.StartsWith("inside", StringComparison.Ordinal) == true)
            .Select(element => element.Value).Should().BeEquivalentTo(
                Enumerable.Range(1, AllMethods.List.Count - 1).Select(place => place.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>Or all others would be pressed together.</summary>
    [Fact]
    public void Method_far_above_many_others_does_not_set_the_scale()
    {
        var findings = Findings([.. AllMethods.List.Take(15).Select((method, place) => (method.Name, new[] { place == 4 ? 4.0 : 1.5 + place / 100.0 }))]);
        var far = AllMethods.List[4].Title;

        var bars = XDocument.Parse(Bars.Perplexities(findings)).Root!.Elements().ToList();
        bars.Select(bar => bar.Attribute("class")!.Value.Contains("beyond")).Should().Equal([.. Enumerable.Repeat(false, 14), true]);
        bars[13].Descendants("i").Single().Attribute("style")!.Value.Should().StartWith("width:5", "the others are half as long as what is drawn");
        ReportCharts.TradeOff(findings).Descendants().Should().NotContain(element => element.Name.LocalName == "title" && element.Value.StartsWith("15:"));
        ReportPage.Render(findings).Should().Contain($"Far above, and not shown: {far}.");
    }

    [Fact]
    public void Method_that_failed_is_a_row_with_the_reason()
    {
        var page = ReportPage.Render(Pretended([.. AllMethods.List], seeds: 1));

        page.Should().Contain("WeLore</td><td class=\"why\" colspan=\"6\">there is not enough memory</td>");
    }

    /// <summary>All methods but the last, which fails, with numbers that differ.</summary>
    private Findings Pretended(IReadOnlyList<Method> methods, int seeds) => Of(methods.Index().Select(entry => (
        entry.Item,
            entry.Index == methods.Count - 1 ? null : Enumerable.Range(0, seeds).Select(seed => 1.5 + 0.02 * (entry.Index * 7 % 29) + 0.01 * seed).ToArray())));

    private Findings Findings(params (string Name, double[] Losses)[] methods) =>
        Of(methods.Select(method => (AllMethods.Find(method.Name), (double[]?)method.Losses)));

    private Findings Of(IEnumerable<(Method Method, double[]? Losses)> methods)
    {
        var entries = methods.ToList();
        var settings = Comparisons.Settings(folder)
            with { Methods = [.. entries.Select(entry => entry.Method)], Seeds = [.. Enumerable.Range(1, entries[0].Losses!.Length)] };
        return new()
        {
            Settings = settings,
            State = ComparisonState.Complete,
            Results =
                [.. entries.Select((entry, place) =>
                    new MethodResult(entry.Method, 0.001, [], [.. settings.Seeds.Select((seed, number) => Outcome(entry, place, seed, number))]))],
            Corpus = TextCorpus.Load(settings.Data),
            Parameters = 870_000,
            Machine = "a machine",
            Elapsed = TimeSpan.FromMinutes(3),
        };

        RunOutcome Outcome((Method Method, double[]? Losses) entry, int place, long seed, int number)
        {
            if (entry.Losses is null)
                return RunOutcome.Failed(seed, "there is not enough memory");

            var request = RunRequest.For(settings, entry.Method, 0.001, seed);
            return RunOutcome.Of(seed, Comparisons.Report(request, request.Steps, entry.Losses[number]) with
            {
                WeightBytes = 3_480_000, GradientBytes = 3_480_000, OptimizerStateBytes = 900_000 + 250_000 * (place * 11 % 29), PeakTensorBytes = 37_300_000,
                OptimizerMilliseconds = 10 + place, Seconds = 754,
            });
        }
    }
}
