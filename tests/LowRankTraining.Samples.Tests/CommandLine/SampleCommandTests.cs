using System.CommandLine;
using FluentAssertions;
using LanguageModel.CommandLine;
using Xunit;

namespace LowRankTraining.Samples.Tests.CommandLine;

/// <summary>A mistake in a command line is one line that says what to write.</summary>
public class SampleCommandTests
{
    private static readonly Option<string[]> Data = new("--data") { AllowMultipleArgumentsPerToken = true };

    [Theory]
    [InlineData("error: Give a command: train, export. See --help.")]
    [InlineData("error: Give a command: train, export. See --help. Did you mean train?", "trian")]
    [InlineData("error: --steps takes a whole number, not 'ten'. See --help.", "train", "--steps", "ten")]
    [InlineData("error: Unrecognized command or argument '--stps'. Unrecognized command or argument '5'. See --help. Did you mean --steps?",
        "train", "--stps", "5")]
    [InlineData("error: Unrecognized command or argument '--stps'. See --help. Did you mean --steps?", "train", "--data", "a.txt", "--stps", "5")]
    public void Mistake_is_told_in_one_line(string message, params string[] arguments)
    {
        var root = new RootCommand("test") { new Command("train") { new Option<int>("--steps"), Data }, new Command("export") };
        var (console, errors) = (Console.Error, new StringWriter());
        Console.SetError(errors);
        try
        {
            SampleCommand.Run(root, arguments).Should().Be(SampleCommand.Failed);
        }
        finally
        {
            Console.SetError(console);
        }

        errors.ToString().Trim().Should().Be(message);
    }
}
