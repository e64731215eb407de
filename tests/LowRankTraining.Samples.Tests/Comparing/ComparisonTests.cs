using Compare;
using Compare.Runs;
using FluentAssertions;
using LanguageModel;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public sealed class ComparisonTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Failed_method_leaves_the_others_in_the_report()
    {
        var settings = Comparisons.Settings(folder, "adamw", "galore", "lora");

        var exitCode = Compare(settings, request => request.Method == "galore" ? RunOutcome.Failed(42, "Rank <must> fit.") : Comparisons.Pretended(request));

        exitCode.Should().Be(1);
        var report = new ReportFolder(settings);
        report.State.Should().Be("complete");
        report.Shortfall("galore").Should().Be("Rank <must> fit.");
        report.Page.Should().Contain("Rank &lt;must&gt; fit.").And.Contain("2 of 3 methods were finished");
        report.Perplexity("lora").Should().BeApproximately(Math.Exp(2), 1e-9);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(1e5)]
    public void Method_whose_loss_is_no_number_any_more_has_failed(double loss)
    {
        var settings = Comparisons.Settings(folder, "adamw", "galore");

        var exitCode = Compare(settings, request => Comparisons.Pretended(request, request.Method == "galore" ? loss : 2));

        exitCode.Should().Be(1);
        new ReportFolder(settings).Shortfall("galore").Should().Contain("smaller learning rate");
        new ReportFolder(settings).Perplexity("adamw").Should().BeApproximately(Math.Exp(2), 1e-9);
    }

    [Fact]
    public void Interruption_in_the_second_seed_keeps_the_first()
    {
        var settings = Comparisons.Settings(folder, "adamw", "galore") with { Seeds = [1, 2] };
        using var stop = new CancellationTokenSource();

        var exitCode = Compare(settings, StopInSecondSeed, stop.Token);

        exitCode.Should().Be(130);
        var report = new ReportFolder(settings);
        report.State.Should().Be("interrupted");
        report.Perplexity("adamw").Should().BeApproximately(Math.Exp(2), 1e-9);
        report.Shortfall("adamw").Should().Be("seed 2: stopped after 3 of 4 steps");
        report.Shortfall("galore").Should().Be("not begun");
        report.Page.Should().Contain("Interrupted: 0 of 2 methods were finished");

        RunOutcome StopInSecondSeed(RunRequest request)
        {
            if (request.Seed == 1)
                return Comparisons.Pretended(request);

            stop.Cancel();
            return RunOutcome.Of(request.Seed, Comparisons.Report(request, steps: 3, loss: 2));
        }
    }

    [Fact]
    public void Report_of_what_is_finished_is_there_while_the_next_method_runs()
    {
        var settings = Comparisons.Settings(folder, "adamw", "galore");
        var seen = "";

        Compare(settings, request =>
        {
            if (request.Method == "galore")
                seen = new ReportFolder(settings).State + ": " + new ReportFolder(settings).Shortfall("galore");
            return Comparisons.Pretended(request);
        });

        seen.Should().Be("running: not begun");
        new ReportFolder(settings).State.Should().Be("complete");
        Directory.GetFiles(settings.Out).Select(Path.GetFileName).Should().BeEquivalentTo("report.html", "results.json", "results.md", "runs.jsonl");
    }

    [Fact]
    public void Nothing_measured_is_one_message_and_no_report()
    {
        var settings = Comparisons.Settings(folder, "adamw", "galore");

        var compare = () => Compare(settings, request => RunOutcome.Failed(42, $"no {request.Method} today."));

        compare.Should().Throw<UserException>().WithMessage("No method could be measured. AdamW: no adamw today. GaLore: no galore today.");
        File.Exists(Path.Combine(settings.Out, "report.html")).Should().BeFalse();
    }

    [Fact]
    public void Folder_that_cannot_be_written_is_refused_before_the_first_run()
    {
        var settings = Comparisons.Settings(folder, "adamw");
        settings = settings with { Out = Path.Combine(settings.Data[0], "below a file") };

        var compare = () => Compare(settings, _ => throw new InvalidOperationException("must not run"));

        compare.Should().Throw<UserException>().WithMessage("*cannot be written*--out*");
    }

    private static int Compare(CompareSettings settings, Func<RunRequest, RunOutcome> run, CancellationToken interruption = default) =>
        new Comparison(settings, (request, _, _, _) => run(request), interruption).Execute();
}
