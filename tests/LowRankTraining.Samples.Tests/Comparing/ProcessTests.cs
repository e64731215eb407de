using Compare;
using Compare.Runs;
using FluentAssertions;
using LanguageModel.Data;
using LanguageModel.Methods;
using LowRankTraining.ByteCounting;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public sealed class ProcessTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Order_of_the_methods_does_not_change_what_they_take()
    {
        string[] methods = ["adamw", "galore", "lora"];
        var forward = Compared(methods);
        var backward = Compared([.. methods.Reverse()]);

        // Where tensors cannot be counted, all there is to compare is that something was measured.
        var kind = ByteCounter.IsAvailable ? "peak_tensor_bytes" : "peak_process_bytes";
        foreach (var method in methods)
        {
            forward.Peak(method, kind).Should().BePositive();
            forward.Peak(method, "peak_process_bytes").Should().BePositive();
            if (ByteCounter.IsAvailable)
                backward.Peak(method, kind)!.Value.Should()
                    .BeCloseTo(forward.Peak(method, kind)!.Value, (ulong)(0.03 * forward.Peak(method, kind)!.Value), method);
            backward.Perplexity(method).Should().Be(forward.Perplexity(method), method);
        }
    }

    [Fact]
    public void Method_that_refuses_its_options_becomes_a_row_with_the_reason()
    {
        var settings = Comparisons.Settings(folder, "galore", "adamw") with { Scale = -1 };

        var exitCode = new Comparison(settings, Comparisons.InProcesses, CancellationToken.None).Execute();

        exitCode.Should().Be(1);
        var report = new ReportFolder(settings);
        report.Shortfall("galore").Should().Contain("Scale").And.NotContain("\n").And.NotContain("   at ");
        report.Perplexity("adamw").Should().BeGreaterThan(1, "AdamW has no scale to refuse");
    }

    [Fact]
    public void Process_that_ends_before_its_time_is_a_failure_with_its_last_words()
    {
        var request = RunRequest.For(Comparisons.Settings(folder, "adamw"), AllMethods.Find("adamw"), 2e-3, 42);
        var corpus = TextCorpus.Split("test", ["one", "two"]);

        var outcome = RunProcess.Execute(OwnProgram.Start("no-such-command"), request, corpus, _ => { }, CancellationToken.None);

        outcome.IsFinished.Should().BeFalse();
        outcome.Failure.Should().Contain("exit code 1").And.Contain("no-such-command");
    }

    [Fact]
    public void Interrupted_process_stops_after_a_step_and_tells_how_far_it_came()
    {
        var settings = Comparisons.Settings(folder, "adamw") with { Tokens = 64_000_000 };
        var corpus = TextCorpus.Load(settings.Data);
        using var stop = new CancellationTokenSource();

        var outcome = Comparisons.InProcesses(RunRequest.For(settings, settings.Methods[0], 2e-3, 42), corpus, _ => stop.Cancel(), stop.Token);

        outcome.IsFinished.Should().BeFalse();
        outcome.Failure.Should().BeNull();
        outcome.Report!.Steps.Should().BeInRange(1, settings.Steps - 1);
        outcome.Report.Training.Should().HaveCount((int)outcome.Report.Steps);
    }

    private ReportFolder Compared(string[] methods)
    {
        var settings = Comparisons.Settings(folder, methods) with { Out = Path.Combine(folder.Path, methods[0]) };
        new Comparison(settings, Comparisons.InProcesses, CancellationToken.None).Execute().Should().Be(0);
        return new ReportFolder(settings);
    }
}
