using System.Diagnostics;
using System.Runtime.InteropServices;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Training;
using Compare.Report;
using Spectre.Console;
using static TorchSharp.torch;

namespace Compare;

/// <summary>Runs every method under the same conditions and writes down what came out.</summary>
internal sealed class Comparison(CompareSettings settings)
{
    private readonly IAnsiConsole console = AnsiConsole.Console;

    /// <summary>Compares, and returns the exit code.</summary>
    public int Execute()
    {
        var device = Devices.Find(settings.Device);
        var corpus = TextCorpus.Load(settings.Data);
        var config = LlamaConfigs.Find(settings.Model) with { Vocabulary = TextCorpus.Vocabulary };
        Write($"{config.Name} model, {Describe.Count(config.Parameters)} parameters, rank {settings.Rank}; "
            + $"{settings.Steps} steps of {settings.Batch} × {settings.Sequence} tokens for each of {settings.Methods.Count} methods");
        Write($"{corpus.Source}: {Describe.Bytes(corpus.Training.Length)} to train on, {Describe.Bytes(corpus.Validation.Length)} to validate on");

        using var interruption = new Interruption();
        var start = Stopwatch.GetTimestamp();
        var results = new List<MethodResult>();
        foreach (var method in settings.Methods)
        {
            var runs = settings.Seeds.Select(seed => Run(method, seed, config, corpus, device, interruption.Token)).TakeWhile(run => run.Completed).ToList();
            if (interruption.Token.IsCancellationRequested)
                break;

            results.Add(new MethodResult(method, settings.LearningRate(method), runs));
        }

        if (results.Count == 0)
        {
            Write("Stopped before the first method was done: there is nothing to report.");
            return SampleCommand.Interrupted;
        }

        Conclude(new Findings
        {
            Settings = settings with { Methods = [.. results.Select(result => result.Method)] },
            Results = results,
            Corpus = corpus,
            Parameters = config.Parameters,
            Machine = $"{(device.type == TorchSharp.DeviceType.CUDA ? "CUDA" : $"CPU, {Environment.ProcessorCount} cores")}, {RuntimeInformation.OSDescription}",
            Elapsed = Stopwatch.GetElapsedTime(start),
        });
        return interruption.Token.IsCancellationRequested ? SampleCommand.Interrupted : 0;
    }

    private TrainingReport Run(Method method, long seed, LlamaConfig config, TextCorpus corpus, Device device, CancellationToken interruption)
    {
        using var model = Llama.Create(config, seed, device, Dtypes.Find(settings.Dtype));
        using var attached = method.AttachTo(model, new MethodSettings
        {
            Steps = settings.Steps,
            LearningRate = settings.LearningRate(method),
            Warmup = settings.Steps / 10,
            Rank = settings.Rank,
            Scale = settings.Scale,
            RefreshEvery = settings.RefreshEvery,
            MergeEvery = settings.MergeEvery,
            WarmStart = settings.WarmStart,
            Base = settings.Base,
            Seed = seed,
        });
        var options = new TrainingOptions
        {
            Steps = settings.Steps,
            Batch = settings.Batch,
            Sequence = settings.Sequence,
            Device = device,
            Seed = seed,
            EvaluateEvery = (settings.Steps + settings.Evaluations - 1) / settings.Evaluations,
            EvaluationTokens = settings.EvaluationTokens,
        };
        var title = settings.Seeds.Count == 1 ? method.Title : $"{method.Title} (seed {seed})";
        return TrainingDisplay.Show(console, title, 0, settings.Steps, display =>
            new Trainer(model, attached, corpus, options) { Stepped = display.Stepped }.Run(0, interruption));
    }

    private void Conclude(Findings findings)
    {
        Directory.CreateDirectory(settings.Out);
        var report = Path.GetFullPath(Path.Combine(settings.Out, "report.html"));
        File.WriteAllText(report, ReportPage.Render(findings));
        File.WriteAllText(Path.Combine(settings.Out, "results.json"), ResultsFile.Render(findings));

        console.WriteLine();
        console.Write(ResultsTable.Render(findings));
        Write($"{Describe.Duration(findings.Elapsed)} in all. Report: {report}");
    }

    private void Write(string line) => console.Profile.Out.Writer.WriteLine(line);
}
