using FluentAssertions;
using LanguageModel;
using LanguageModel.Data;
using Xunit;

namespace LowRankTraining.Samples.Tests.Data;

public sealed class NamedDataTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Paths_without_names_are_one_text() => NamedData.Parse(["a.txt", "books/more text.txt"]).Should().BeNull();

    [Fact]
    public void No_path_at_all_is_one_text_too() => NamedData.Parse([]).Should().BeNull();

    [Fact]
    public void Names_stand_before_the_first_equals_sign() =>
        NamedData.Parse(["web=a.txt", "books.v2=b=c.txt"]).Should().Equal(("web", "a.txt"), ("books.v2", "b=c.txt"));

    [Fact]
    public void File_that_exists_is_a_path_whatever_its_name()
    {
        var here = Directory.GetCurrentDirectory();
        try
        {
            Directory.SetCurrentDirectory(folder.Path);
            folder.Write("a=b.txt", "text");

            NamedData.Parse(["a=b.txt"]).Should().BeNull();
        }
        finally
        {
            Directory.SetCurrentDirectory(here);
        }
    }

    [Fact]
    public void Paths_are_made_full_and_names_stay() =>
        NamedData.WithFullPaths(["web=a.txt", "books=b"]).Should().Equal($"web={Path.GetFullPath("a.txt")}", $"books={Path.GetFullPath("b")}");

    [Theory]
    [InlineData("*'web'*nothing to mix*", "web=a.txt")]
    [InlineData("*called 'web'*", "web=a.txt", "web=b.txt")]
    [InlineData("*b.txt has no name*", "web=a.txt", "b.txt")]
    [InlineData("*books= names no file*", "web=a.txt", "books=")]
    public void Sources_that_cannot_be_mixed_are_refused(string message, params string[] values)
    {
        var parse = () => NamedData.Parse(values);

        parse.Should().Throw<UserException>().WithMessage(message);
    }
}
