using FluentAssertions;
using Xunit;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>Every C# block of README.md and docs compiles, and those that can run do what a reader would see.</summary>
public class SnippetTests
{
    private static readonly Dictionary<string, Snippet> Snippets = Repository.Pages
        .SelectMany(page => SnippetPage.Read(page, Repository.Read(page))).ToDictionary(snippet => snippet.ToString());

    public static TheoryData<string> All => [.. Snippets.Keys];

    public static TheoryData<string> Runnable => [.. Snippets.Values.Where(snippet => snippet.Runs).Select(snippet => snippet.ToString())];

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
}
