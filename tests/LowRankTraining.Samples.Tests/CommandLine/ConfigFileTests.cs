using System.CommandLine;
using FluentAssertions;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Methods;
using LanguageModel.Model;
using Xunit;

namespace LowRankTraining.Samples.Tests.CommandLine;

public sealed class ConfigFileTests : IDisposable
{
    private static readonly Option<int> Rank = new("--rank");
    private static readonly Option<double?> WeightDecay = new("--weight-decay");
    private static readonly Option<string[]> Data = new("--data") { AllowMultipleArgumentsPerToken = true };
    private static readonly Option<bool> Resume = new("--resume");

    private readonly TemporaryFolder folder = new();
    private readonly RootCommand command = new("test") { ConfigFile.Option, Rank, WeightDecay, Data, Resume };

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Options_of_the_file_count_as_if_they_had_been_written()
    {
        var parsed = Parse("""{ "rank": 32, "weight_decay": 0.5, "data": ["a b.txt", "c.txt"], "resume": true /* as a note */, }""");

        parsed.Errors.Should().BeEmpty();
        (parsed.GetValue(Rank), parsed.GetValue(WeightDecay), parsed.GetValue(Resume)).Should().Be((32, 0.5, true));
        parsed.GetValue(Data).Should().Equal("a b.txt", "c.txt");
    }

    /// <summary>"0,01" would be 1: a comma may stand between thousands.</summary>
    [Theory]
    [InlineData("--weight-decay", "0,01"), InlineData("--weight-decay", "1,000.5")]
    public void Number_with_a_comma_ends_the_program_and_is_not_read_as_another_one(params string[] arguments)
    {
        var hasRun = false;
        command.SetAction(_ => hasRun = true);

        SampleCommand.Run(command, arguments).Should().Be(SampleCommand.Failed);

        hasRun.Should().BeFalse();
    }

    [Fact]
    public void Option_that_is_given_twice_is_told_so()
    {
        var (before, text) = (Console.Error, new StringWriter());
        Console.SetError(text);
        try
        {
            SampleCommand.Run(command, ["--rank", "4", "--rank", "8"]).Should().Be(SampleCommand.Failed);
        }
        finally
        {
            Console.SetError(before);
        }

        text.ToString().Should().StartWith("error: --rank is given 2 times (4, 8).");
    }

    [Fact]
    public void Command_line_counts_more() => Parse("""{ "rank": 32, "weight-decay": null, "resume": false }""", "--rank", "8").GetValue(Rank).Should().Be(8);

    [Theory]
    [InlineData("""{ "rnak": 32 }""", "*there is no option 'rnak'. Did you mean rank?")]
    [InlineData("""{ "weight_deacy": 32 }""", "*'weight_deacy'. Did you mean weight_decay?")]
    [InlineData("""{ "rank": { "a": 1 } }""", "*'rank' takes a text, a number*")]
    [InlineData("[1]", "*holds no object*")]
    [InlineData("{\n\"rank\": }", "*run.json, line 2, is no JSON: *")]
    public void What_cannot_be_followed_is_named(string json, string message) =>
        FluentActions.Invoking(() => Parse(json)).Should().Throw<UserException>().WithMessage(message);

    [Fact]
    public void Missing_file_is_named() =>
        FluentActions.Invoking(() => ConfigFile.Expand(command, ["--config", "none.json"])).Should().Throw<UserException>()
            .WithMessage("There is no file none.json*");

    [Fact]
    public void Without_a_file_nothing_is_added() => ConfigFile.Expand(command, ["--rank", "8"]).Should().Equal("--rank", "8");

    [Fact]
    public void Wrong_names_bring_the_nearest_ones_to_mind()
    {
        SampleCommand.Guess(command.Parse("--rnak 8")).Should().Be(" Did you mean --rank?");
        SampleCommand.Guess(command.Parse("--nothing-like-it 8")).Should().BeEmpty();
        FluentActions.Invoking(() => AllMethods.Find("gallore")).Should().Throw<UserException>().WithMessage("*Did you mean galore*");
        FluentActions.Invoking(() => LlamaConfigs.Find("tny")).Should().Throw<UserException>().WithMessage("*Did you mean tiny?*");
    }

    private ParseResult Parse(string json, params string[] arguments) =>
        command.Parse(ConfigFile.Expand(command, ["--config", folder.Write("run.json", json), .. arguments]));
}
