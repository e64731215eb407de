using System.Diagnostics;
using System.Runtime.InteropServices;
using Compare.Report;
using Compare.Runs;
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
    private readonly IAnsiConsole console = AnsiConsole.Console;
    private readonly ReportFiles files = new(settings.Out);
    private readonly long start = Stopwatch.GetTimestamp();
    private readonly List<double> runSeconds = [];
    private int runsBegun;

    /// <summary>Compares, and returns the exit code: 0 when all methods were finished, 1 when one failed, 130 after an interruption.</summary>
    /// <exception cref="UserException">Something cannot be used by any method, or every method failed.</exception>
    public int Execute()
    {
        var device = Devices.Find(settings.Device);
        var corpus = TextCorpus.Load(settings.Data);
        var config = LlamaConfigs.Find(settings.Model) with { Vocabulary = TextCorpus.Vocabulary };
        _ = new SingleText(corpus, RunRequest.For(settings, settings.Methods[0], settings.Seeds[0]).TrainingOptions());
        files.Prepare();
        Write($"{config.Name} model, {Describe.Count(config.Parameters)} parameters, rank {settings.Rank}; "
            + $"{settings.Steps} steps of {settings.Batch} × {settings.Sequence} tokens for each of {settings.Methods.Count} methods");
        Write($"{corpus.Source}: {Describe.Bytes(corpus.Training.Length)} to train on, {Describe.Bytes(corpus.Validation.Length)} to validate on");

        var findings = new Findings
        {
            Settings = settings,
            State = ComparisonState.Running,
            Results = [.. settings.Methods.Select(method => new MethodResult(method, settings.LearningRate(method), []))],
            Corpus = corpus,
            Parameters = config.Parameters,
            Machine = $"{(device.type == DeviceType.CUDA ? "CUDA" : $"CPU, {Environment.ProcessorCount} cores")}, {RuntimeInformation.OSDescription}",
            Elapsed = TimeSpan.Zero,
        };
        return Conclude(RunAll(findings));
    }

    private Findings RunAll(Findings findings)
    {
        foreach (var (place, seed) in settings.Methods.Index().SelectMany(method => settings.Seeds.Select(seed => (method.Index, seed))))
        {
            if (interruption.IsCancellationRequested)
                break;

            var begun = Stopwatch.GetTimestamp();
            var outcome = Run(settings.Methods[place], place, seed, findings.Corpus);
            findings = With(findings, place, outcome);
            if (outcome.IsFinished)
                runSeconds.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
            runsBegun++;
            if (outcome.Failure is { } reason)
                Write($"{Title(settings.Methods[place], seed)} failed: {reason}");
            if (findings.Measured.Any())
                files.TryWrite(findings);
        }

        return findings with { State = interruption.IsCancellationRequested ? ComparisonState.Interrupted : ComparisonState.Complete };
    }

    private Findings With(Findings findings, int place, RunOutcome outcome) => findings with
    {
        Results = [.. findings.Results.Select((result, other) => other == place ? result.With(outcome) : result)],
        Elapsed = Stopwatch.GetElapsedTime(start),
    };

    /// <summary>Time for the run in progress and for those to come, each as long as those so far: the mean, or this one where it is the first.</summary>
    private TimeSpan InAll(StepReport step, TimeSpan elapsed)
    {
        var runsToCome = settings.Methods.Count * settings.Seeds.Count - runsBegun - 1;
        var each = runSeconds.Count > 0 ? TimeSpan.FromSeconds(runSeconds.Average()) : elapsed + step.Remaining;
        return step.Remaining + runsToCome * each;
    }

    private RunOutcome Run(Method method, int place, long seed, TextCorpus corpus) =>
        TrainingDisplay.Show(console, $"{Title(method, seed)} ({place + 1} of {settings.Methods.Count})", 0, settings.Steps, display =>
        {
            var begun = Stopwatch.GetTimestamp();
            return run(RunRequest.For(settings, method, seed), corpus, Stepped, interruption);

            void Stepped(StepReport step) => display.Stepped(step with { RemainingInAll = InAll(step, Stopwatch.GetElapsedTime(begun)) });
        });

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
