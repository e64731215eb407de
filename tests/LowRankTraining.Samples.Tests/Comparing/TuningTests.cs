using Compare;
using Compare.Runs;
using FluentAssertions;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

/// <summary>Comparisons that choose learning rates, and those that go on where an earlier one has stopped.</summary>
public sealed class TuningTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly List<RunRequest> done = [];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_seed_runs_at_the_rate_that_did_best_in_shorter_trials()
    {
        var settings = Settings();

        Compare(settings).Should().Be(0);

        done.Where(request => request.Steps == 2).Should().HaveCount(4).And.OnlyContain(request => request.Seed == 1);
        done.Where(request => request.Steps == 4).Select(request => (request.Seed, request.LearningRate)).Should().Equal((1, 4e-3), (2, 4e-3));
        var report = new ReportFolder(settings);
        report.Method("adamw").GetProperty("trials").GetArrayLength().Should().Be(4);
        report.Page.Should().Contain("Learning rates</h2>").And.Contain("<td class=\"best\">7.39 <small>4e-3</small></td>");
        File.ReadAllText(Path.Combine(settings.Out, "results.md")).Should()
            .Contain("4e-3: **7.39**").And.Contain("| AdamW | 4e-3 | 7.389 ± 0.000 | 7.389 | 7.389 |");
    }

    [Fact]
    public void Resumed_comparison_does_only_what_is_missing_and_reports_the_same()
    {
        var settings = Settings();
        Compare(settings);
        var table = File.ReadAllText(Path.Combine(settings.Out, "results.md"));
        var store = Path.Combine(settings.Out, "runs.jsonl");
        var runs = File.ReadAllLines(store);
        File.WriteAllText(store, string.Join('\n', runs[..^1]) + "\n" + runs[^1][..40]); // killed while it wrote the last one
        done.Clear();

        Compare(settings with { Resumes = true });

        done.Should().ContainSingle().Which.Seed.Should().Be(2);
        File.ReadAllText(Path.Combine(settings.Out, "results.md")).Should().Be(table);
    }

    [Fact]
    public void Runs_under_other_conditions_or_on_another_text_are_done_again()
    {
        var settings = Settings() with { TuningTokens = null, Resumes = true };
        Compare(settings);
        done.Clear();

        Compare(settings with { Rank = 4 });
        done.Should().HaveCount(2);
        done.Clear();

        Compare(settings with { Data = [folder.Write("other.txt", string.Concat(Enumerable.Range(0, 2000).Select(number => $"{number} is a number.\n")))] });
        done.Should().HaveCount(2);
        done.Clear();

        Compare(settings);
        done.Should().BeEmpty();
    }

    [Fact]
    public void Method_that_fails_at_once_is_not_tried_at_other_rates()
    {
        var settings = Settings();

        var exitCode = new Comparison(settings, (request, _, _, _) => Fail(request), CancellationToken.None).Execute;

        exitCode.Should().Throw<LanguageModel.UserException>().WithMessage("*Rank must fit*");
        done.Should().HaveCount(3, "one trial and two seeds have said why");

        RunOutcome Fail(RunRequest request)
        {
            done.Add(request);
            return RunOutcome.Failed(request.Seed, "Rank must fit.");
        }
    }

    private CompareSettings Settings() => Comparisons.Settings(folder, "adamw") with { Seeds = [1, 2], TuningTokens = 2 * 2 * 32 };

    private int Compare(CompareSettings settings) => new Comparison(
        settings,
        (request, _, _, _) =>
        {
            done.Add(request);
            return Comparisons.Pretended(request, 2 + Math.Abs(Math.Log(request.LearningRate / 4e-3)));
        },
        CancellationToken.None).Execute();
}
