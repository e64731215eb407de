using System.Globalization;
using System.Text.RegularExpressions;
using FluentAssertions;
using TorchSharp;
using Xunit;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>Every C# block of README.md and docs compiles, and those that can run do what a reader would see.</summary>
public partial class SnippetTests
{
    private static readonly Dictionary<string, Snippet> Snippets = Repository.Pages
        .SelectMany(page => SnippetPage.Read(page, Repository.Read(page))).ToDictionary(snippet => snippet.ToString());

    public static TheoryData<string> All => [.. Snippets.Keys];

    public static TheoryData<string> Runnable => [.. Snippets.Values.Where(snippet => snippet.Runs).Select(snippet => snippet.ToString())];

    public static TheoryData<string> Programs => [.. Snippets.Values.Where(snippet => snippet.IsProgram).Select(snippet => snippet.ToString())];

    [Theory, MemberData(nameof(All))]
    public void Block_compiles(string block) => string.Join('\n', SnippetCompiler.Errors(Snippets[block])).Should().BeEmpty();

    [Theory, MemberData(nameof(Runnable))]
    public void Block_runs(string block)
    {
        using var directory = new TemporaryDirectory();
        var before = Directory.GetCurrentDirectory();
        Directory.SetCurrentDirectory(directory.Path);
        try
        {
            using var reader = SnippetCompiler.Load(Snippets[block]);
            reader.Run();
        }
        finally
        {
            Directory.SetCurrentDirectory(before);
        }
    }

    /// <summary>With the usings that it shows and no others, it trains, and frees what it makes.</summary>
    [Theory, MemberData(nameof(Programs))]
    public void Program_is_as_short_as_it_says_and_its_loss_falls(string block)
    {
        Snippets[block].Lines.Should().BeLessThanOrEqualTo(Snippets[block].Limit!.Value);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

        var output = SnippetCompiler.Run(Snippets[block]);

        var losses = Loss().Matches(output).Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).ToArray();

        losses.Should().HaveCountGreaterThan(3);
        losses[^1].Should().BeLessThan(0.8 * losses[0]);
        DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.Should().Be(before, "no step leaves tensors behind");
    }

    /// <summary>From an empty folder to a first training step of one's own.</summary>
    [Theory]
    [InlineData("README.md"), InlineData("docs/index.md"), InlineData("docs/getting-started.md"), InlineData("src/LowRankTraining/README.md")]
    public void Page_begins_with_a_program_of_ten_lines(string page) =>
        Snippets.Values.First(snippet => snippet.Page == page).Limit.Should().Be(10);

    [GeneratedRegex(@"loss (\d+\.\d+)")]
    private static partial Regex Loss();
}
