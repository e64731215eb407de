using FluentAssertions;
using LanguageModel.Methods;
using LowRankTraining.Benchmarks.Tables;
using Xunit;

namespace LowRankTraining.Samples.Tests.Claims;

/// <summary>The tables and the picture of the comparison are those that the committed results give.</summary>
public class ComparisonTablesTests
{
    private static readonly string Repository = Path.Combine(AppContext.BaseDirectory, "repository");

    public static TheoryData<string, string?> Parts()
    {
        var parts = new TheoryData<string, string?>();
        foreach (var part in ComparisonTables.Of(Repository))
            parts.Add(part.Page, part.Name);
        return parts;
    }

    [Theory]
    [MemberData(nameof(Parts))]
    public void Page_has_the_table_that_the_results_give(string page, string? name)
    {
        var part = ComparisonTables.Of(Repository).Single(one => one.Page == page && one.Name == name);
        var text = File.ReadAllText(Path.Combine(Repository, page)).ReplaceLineEndings("\n");

        part.In(text).Should().Be(text, "`./build.sh bench tables` writes it");
    }

    [Fact]
    public void Every_method_was_run_with_three_seeds()
    {
        var runs = ComparisonRuns.Read(Repository);

        ComparisonTables.LongMeans(runs).Select(pair => pair.Run.Method).Should().BeEquivalentTo(AllMethods.List.Select(method => method.Name));
    }

    [Fact]
    public void Spread_is_the_standard_deviation_of_a_sample()
    {
        var run = new ComparisonRun("fira", "9m", 0.01, 1, 42, 2, 1, null);
        var seeds = new SeedRuns([run, run with { Perplexity = 3 }, run with { Perplexity = 7 }]);

        seeds.Mean.Should().Be(4);
        seeds.Spread.Should().BeApproximately(Math.Sqrt(7), 1e-15);
    }

    [Fact]
    public void Part_stands_between_its_marks_and_leaves_the_rest()
    {
        const string page = "before\n<!-- table: one -->\nold\n\n<!-- end of table -->\nafter\n";

        new GeneratedPart("page.md", "one", "new\n").In(page).Should().Be(page.Replace("old", "new"));
        new GeneratedPart("page.md", "two", "new\n").Invoking(part => part.In(page)).Should().Throw<InvalidDataException>()
            .WithMessage("page.md has no part between '<!-- table: two -->' and '<!-- end of table -->'.");
    }

    [Fact]
    public void Names_of_dots_that_are_close_to_one_another_or_to_the_edge_stay_apart_and_on_the_page()
    {
        var page = new LabelPlaces.Box(0, 0, 300, 200);
        LabelPlaces.Label[] dots = [new(100, 100, "first"), new(104, 103, "second"), new(98, 97, "third"), new(290, 50, "at the edge")];

        var boxes = LabelPlaces.Find(dots, page).Select(place => place.Box).ToList();

        boxes.Should().OnlyContain(box => box.IsIn(page));
        boxes.SelectMany((box, index) => boxes.Take(index).Select(other => other.Overlap(box))).Should().OnlyContain(overlap => overlap == 0);
    }
}
