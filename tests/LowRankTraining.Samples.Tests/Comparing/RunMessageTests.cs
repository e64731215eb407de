using Compare.Runs;
using FluentAssertions;
using LanguageModel.Methods;
using LanguageModel.Training;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public sealed class RunMessageTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1.25)]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    public void Report_arrives_as_it_was_sent(double loss)
    {
        var report = Comparisons.Report(RunRequest.For(Comparisons.Settings(folder, "adamw"), AllMethods.Find("adamw"), 2e-3, 42), steps: 4, loss);

        var arrived = RunMessage.Parse(new RunMessage.Ended(report).ToLine()).Should().BeOfType<RunMessage.Ended>().Subject.Report;

        arrived.Should().BeEquivalentTo(report);
        arrived.Training.Should().Equal(report.Training);
    }

    [Fact]
    public void Message_is_one_line_whatever_it_says() =>
        new RunMessage.Refused("two\nlines").ToLine().Should().NotContain("\n");

    [Theory]
    [InlineData("[W] a library says something")]
    [InlineData("{ this is no message }")]
    [InlineData("{}")]
    [InlineData("")]
    public void Other_lines_are_no_messages(string line) => RunMessage.Parse(line).Should().BeNull();

    [Fact]
    public void Step_arrives_as_it_was_sent()
    {
        var step = new StepReport(7, 2.5, 1000, TimeSpan.FromSeconds(90));

        RunMessage.Parse(new RunMessage.Stepped(step).ToLine()).Should().Be(new RunMessage.Stepped(step));
    }
}
