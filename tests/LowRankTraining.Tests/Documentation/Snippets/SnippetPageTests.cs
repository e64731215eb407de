using FluentAssertions;
using Xunit;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>How blocks and the comments before them are read.</summary>
public class SnippetPageTests
{
    [Fact]
    public void Only_blocks_in_csharp_are_taken() =>
        Read("```bash", "ls", "```", "```csharp", "Run();", "Stop();", "```", "```cs", "Go();", "```").Select(snippet => (snippet.Line, snippet.Code))
            .Should().Equal((5, "Run();\nStop();"), (9, "Go();"));

    [Fact]
    public void Comments_before_a_block_say_how_to_treat_it()
    {
        string[] comments = ["<!-- snippet: continues -->", "<!-- snippet: given var b = 2; -->", "<!-- snippet: compile -->"];
        var snippets = Read(["```csharp", "var a = 1;", "```", .. comments, "", "```csharp", "a++;", "```"]);

        snippets.Select(snippet => snippet.Runs).Should().Equal(true, false);
        snippets[1].Chain.Should().Equal(snippets);
        snippets[1].Given.Should().Equal((5, "var b = 2;"));
    }

    [Fact]
    public void What_continues_a_block_that_does_not_run_does_not_run() =>
        Read("<!-- snippet: compile -->", "```csharp", "Run();", "```", "<!-- snippet: continues -->", "```csharp", "Stop();", "```")
            .Should().OnlyContain(snippet => !snippet.Runs);

    [Theory]
    [InlineData("*(2)*'compile', 'continues', 'given CODE' or 'program LINES'*", "", "<!-- snippet: program -->", "```csharp", "Run();", "```")]
    [InlineData("*(2)*'compile', 'continues', 'given CODE' or 'program LINES'*", "", "<!-- snippet: skip -->", "```csharp", "Run();", "```")]
    [InlineData("*(1)*no C# block follows*", "<!-- snippet: compile -->", "Words.", "```csharp", "Run();", "```")]
    [InlineData("*(1)*no block before*", "<!-- snippet: continues -->", "```csharp", "Run();", "```")]
    [InlineData("*(2)*does not end*", "", "```csharp", "Run();")]
    public void Comment_that_means_nothing_is_refused(string message, params string[] lines) =>
        ((Action)(() => Read(lines))).Should().Throw<FormatException>().WithMessage(message);

    [Theory]
    [InlineData(5, "Nowhere();")]
    [InlineData(7, "var a = 1;", "", "a = \"text\";")]
    [InlineData(6, "new List<string>", "[1)")]
    public void Error_tells_page_and_line(int line, params string[] code) =>
        SnippetCompiler.Errors(Read(["# Page", "", "Words.", "```csharp", .. code, "```"]).Single())
            .Should().Contain(error => error.StartsWith($"docs/page.md({line}): CS"));

    [Fact]
    public void Exception_tells_page_and_line()
    {
        using var reader = SnippetCompiler.Load(Read("# Page", "```csharp", "var none = new int[0];", "none[1] = 2;", "```").Single());

        reader.Invoking(it => it.Run()).Should().Throw<IndexOutOfRangeException>().Which.StackTrace.Should().Contain("docs/page.md:line 4");
    }

    [Fact]
    public void Error_in_given_code_tells_its_line() =>
        SnippetCompiler.Errors(Read("<!-- snippet: given Nowhere(); -->", "```csharp", "int a;", "```").Single())
            .Should().ContainSingle().Which.Should().StartWith("docs/page.md(1): CS");

    [Theory]
    [InlineData("new Dictionary<string, int> { [\"a\"] = 1 }   // an expression by itself")]
    [InlineData("using System.Text;", "var text = new StringBuilder();", "Show(new(1));", "void Show(One one) => text.Append(one);", "record One(int Number);")]
    public void Expressions_usings_and_types_compile(params string[] code) =>
        SnippetCompiler.Errors(Read(["```csharp", .. code, "```"]).Single()).Should().BeEmpty();

    [Fact]
    public void Program_is_compiled_with_its_own_usings_and_prints()
    {
        string[] lines = ["using System.Text;", "", "Console.Write(new StringBuilder(\"a\").Append(args.Length));"];
        var program = Read(["<!-- snippet: program 2 -->", "```csharp", .. lines, "```"]);

        program.Single().Lines.Should().Be(2);
        SnippetCompiler.Run(program.Single()).Should().Be("a0");
        SnippetCompiler.Errors(Read("<!-- snippet: program 1 -->", "```csharp", "nn.Linear(2, 2);", "```").Single()).Should().ContainSingle()
            .Which.Should().StartWith("docs/page.md(3): CS");
    }

    private static IReadOnlyList<Snippet> Read(params string[] lines) => SnippetPage.Read("docs/page.md", string.Join('\n', lines));
}
