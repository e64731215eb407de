using System.Diagnostics;
using System.Runtime.InteropServices;
using Compare.Report;
using Compare.Runs;
using Compare.Tuning;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Training;
using Spectre.Console;
using TorchSharp;

namespace Compare;

/// <summary>Does a run and gives what it came to; never throws for what goes wrong with the run.</summary>
internal delegate RunOutcome Runner(RunRequest request, TextCorpus corpus, Action<StepReport> stepped, CancellationToken interruption);

/// <summary>Runs every method under the same conditions and writes down what came out.</summary>
/// <param name="settings">What is compared.</param>
/// <param name="run">How a run is done.</param>
/// <param name="interruption">Stops the comparison; what is finished is kept.</param>
internal sealed class Comparison(CompareSettings settings, Runner run, CancellationToken interruption)
{
    /// <summary>Points of a training curve that are kept.</summary>
    private const int CurvePoints = 200;

    private readonly IAnsiConsole console = AnsiConsole.Console;
    private readonly ReportFiles files = new(settings.Out);
    private readonly long start = Stopwatch.GetTimestamp();
    private readonly List<double> runSeconds = [];
    private int runsBegun;
    private RunStore? store;

    /// <summary>Compares, and returns the exit code: 0 when all methods were finished, 1 when one failed, 130 after an interruption.</summary>
    /// <exception cref="UserException">Something cannot be used by any method, or every method failed.</exception>
    public int Execute()
    {
        var device = Devices.Find(settings.Device);
        var corpus = TextCorpus.Load(settings.Data);
        var config = LlamaConfigs.Find(settings.Model) with { Vocabulary = TextCorpus.Vocabulary };
        _ = new SingleText(corpus, RunRequest.For(settings, settings.Methods[0], 1, settings.Seeds[0]).TrainingOptions());
        files.Prepare();
        store = new RunStore(settings.Out, corpus.Hash, settings.Resumes);
        Write($"{config.Name} model, {Describe.Count(config.Parameters)} parameters, rank {settings.Rank}; "
            + $"{settings.Steps} steps of {settings.Batch} × {settings.Sequence} tokens for each of {settings.Methods.Count} methods");
        Write($"{corpus.Source}: {Describe.Bytes(corpus.Training.Length)} to train on, {Describe.Bytes(corpus.Validation.Length)} to validate on");

        var findings = new Findings
        {
            Settings = settings,
            State = ComparisonState.Running,
            Results = [.. settings.Methods.Select(method => new MethodResult(method, settings.LearningRate(method), [], []))],
            Corpus = corpus,
            Parameters = config.Parameters,
            Machine = $"{(device.type == DeviceType.CUDA ? "CUDA" : $"CPU, {Environment.ProcessorCount} cores")}, {RuntimeInformation.OSDescription}",
            Elapsed = TimeSpan.Zero,
        };
        return Conclude(RunAll(findings));
    }

    private Findings RunAll(Findings findings)
    {
        foreach (var place in Enumerable.Range(0, settings.Methods.Count))
        {
            findings = Tuned(findings, place);
            foreach (var seed in settings.Seeds)
            {
                if (interruption.IsCancellationRequested)
                    return findings with { State = ComparisonState.Interrupted };

                findings = With(findings, place, result => result.With(Run(result, place, seed, findings.Corpus)));
                if (findings.Measured.Any())
                    files.TryWrite(findings);
            }
        }

        return findings with { State = interruption.IsCancellationRequested ? ComparisonState.Interrupted : ComparisonState.Complete };
    }

    private Findings With(Findings findings, int place, Func<MethodResult, MethodResult> change) => findings with
    {
        Results = [.. findings.Results.Select((result, other) => other == place ? change(result) : result)],
        Elapsed = Stopwatch.GetElapsedTime(start),
    };

    /// <summary>With the learning rate of a method chosen by trials, if that is asked for. A method that fails for another reason than its rate shows that in
    /// its runs.</summary>
    private Findings Tuned(Findings findings, int place)
    {
        if (settings.TuningTokens is null)
            return findings;

        var method = settings.Methods[place];
        var search = new RateSearch(settings.LearningRate(method));
        while (!interruption.IsCancellationRequested && search.Next() is { } rate)
        {
            var title = $"{method.Title} at {Describe.Rate(rate)}";
            var outcome = Done(title, place, RunRequest.For(settings.Trials, method, rate, settings.Seeds[0]), findings.Corpus, step => step);
            if (outcome.Report is not { Completed: true } report)
                break;
            search.Add(report.Perplexity ?? double.NaN);
        }

        return With(findings, place, result => result.With(search));
    }

    private RunOutcome Run(MethodResult result, int place, long seed, TextCorpus corpus)
    {
        var begun = Stopwatch.GetTimestamp();
        var title = Title(result.Method, seed);
        var outcome = Done(title, place, RunRequest.For(settings, result.Method, result.LearningRate, seed), corpus, InAll);
        if (outcome.IsFinished)
            runSeconds.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
        runsBegun++;
        if (outcome.Failure is { } reason)
            Write($"{title} failed: {reason}");
        return outcome;

        StepReport InAll(StepReport step) =>
            settings.TuningTokens is null ? step with { RemainingInAll = RemainingInAll(step, Stopwatch.GetElapsedTime(begun)) } : step;
    }

    /// <summary>The outcome of a run: that of an earlier time, where it is there and counts.</summary>
    private RunOutcome Done(string title, int place, RunRequest request, TextCorpus corpus, Func<StepReport, StepReport> describe)
    {
        if (store!.Find(request) is { } known)
            return known;

        var outcome = TrainingDisplay.Show(console, $"{title} ({place + 1} of {settings.Methods.Count})", 0, request.Steps, display =>
            run(request, corpus, step => display.Stepped(describe(step)), interruption)).Thinned(CurvePoints);
        store.Keep(request, outcome);
        return outcome;
    }

    /// <summary>Time for the run in progress and for those to come, each as long as those so far: the mean, or this one where it is the first.</summary>
    private TimeSpan RemainingInAll(StepReport step, TimeSpan elapsed)
    {
        var runsToCome = settings.Methods.Count * settings.Seeds.Count - runsBegun - 1;
        var each = runSeconds.Count > 0 ? TimeSpan.FromSeconds(runSeconds.Average()) : elapsed + step.Remaining;
        return step.Remaining + runsToCome * each;
    }

    private string Title(Method method, long seed) => settings.Seeds.Count == 1 ? method.Title : $"{method.Title}, seed {seed}";

    private int Conclude(Findings findings)
    {
        var isInterrupted = findings.State == ComparisonState.Interrupted;
        if (!findings.Measured.Any() && isInterrupted)
        {
            Write("Stopped before the first run was done: there is nothing to report.");
            return SampleCommand.Interrupted;
        }

        if (!findings.Measured.Any())
            throw new UserException($"No method could be measured. {Reasons(findings)}");

        // What was measured is shown before it is written: a disk may be full.
        console.WriteLine();
        console.Write(ResultsTable.Render(findings, console.Profile.Width));
        foreach (var (result, why) in findings.Shortfalls)
            Write($"{result.Method.Title}: {why}");
        files.Write(findings);
        Write($"{(isInterrupted ? "Interrupted after " : "")}{Describe.Duration(findings.Elapsed)}{(isInterrupted ? "" : " in all")}. Report: {files.Report}");
        return isInterrupted ? SampleCommand.Interrupted : findings.Results.Any(result => result.HasFailed) ? SampleCommand.Failed : 0;
    }

    /// <summary>A reason that all methods have is told once.</summary>
    private static string Reasons(Findings findings) => findings.Shortfalls.Select(entry => entry.Why).Distinct().ToList() is [var common]
        ? common
        : string.Join(' ', findings.Shortfalls.Select(entry => $"{entry.Result.Method.Title}: {entry.Why.TrimEnd('.')}."));

    private void Write(string line) => console.Profile.Out.Writer.WriteLine(line);
}
