using System.CommandLine;
using System.Globalization;
using Compare.Runs;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Training;
using static LanguageModel.CommandLine.SharedOptions;

namespace Compare;

/// <summary>The command line of this program.</summary>
internal static class CompareCommand
{
    private const string Everything = "all";

    private static readonly Option<bool> Demo =
        new("--demo") { Description = "A small comparison that takes a few minutes on two cores; it can be combined with the other options." };
    private static readonly Option<string[]> Methods = new("--methods")
    {
        Description = $"Methods to compare: {Names(AllMethods.List)}; all of them: {Everything}; "
            + $"or one without a part of its own: {Names(AllMethods.Ablations)} [default: {Names(AllMethods.Usual)}].",
        AllowMultipleArgumentsPerToken = true,
    };
    private static readonly Option<string?> Model =
        new("--model", "-m") { Description = $"Model size: {string.Join(", ", LlamaConfigs.All.Select(config => config.Name))} [default: 9m]." };
    private static readonly Option<long?> Tokens =
        new("--tokens") { Description = "Tokens that each method trains on [default: 4,000,000; with --demo 204,800]." };
    private static readonly Option<int?> Batch = new("--batch") { Description = "Sequences per step [default: 8; with --demo 4]." };
    private static readonly Option<int?> Sequence = new("--seq") { Description = "Tokens per sequence [default: 256; with --demo 128]." };
    private static readonly Option<string[]> LearningRates =
        new("--lr") { Description = "Learning rates other than the methods' own, as method=rate.", AllowMultipleArgumentsPerToken = true };
    private static readonly Option<bool> Tune = new("--tune")
    {
        Description = "Find each method's learning rate first: try at least four, each twice the one before, until the best has a worse one on either side; "
            + "the search begins at the method's usual rate or that of --lr.",
    };
    private static readonly Option<long?> TuningTokens =
        new("--tune-tokens") { Description = "Tokens of each trial of --tune, which the first seed makes [default: a quarter of --tokens]." };
    private static readonly Option<bool> Resume =
        new("--resume") { Description = "Do not repeat runs that the folder's runs.jsonl has already, made under the same conditions." };
    private static readonly Option<long[]> Seeds =
        new("--seeds") { Description = "Seeds; each method runs with each [default: 42].", AllowMultipleArgumentsPerToken = true };
    private static readonly Option<double?> Scale = new("--scale") { Description = "Factor on the low-rank part [default: the methods' own]." };
    private static readonly Option<long?> RefreshEvery =
        new("--refresh-every") { Description = "Steps between new subspaces (methods that project) [default: the methods' own]." };
    private static readonly Option<string[]> Data = new("--data")
    {
        Description = "Text files, or folders of .txt and .md files [default: the API documentation of the .NET SDK].",
        AllowMultipleArgumentsPerToken = true,
    };
    private static readonly Option<long?> EvaluationTokens = new("--eval-tokens")
    {
        Description = "Tokens validated on, at most [default: as many as cost a quarter of the training, at most 65,536; with --demo 8,192].",
    };
    private static readonly Option<string?> Out =
        new("--out", "-o") { Description = "Folder for report.html, results.md, results.json and runs.jsonl [default: runs/compare; with --demo runs/demo]." };

    /// <summary>The root command.</summary>
    public static RootCommand Create()
    {
        var command = new RootCommand(
            "Trains the same model by each method, each in its own process, on the same data with the same number of tokens, and compares "
            + "perplexity, memory and time. The exit code is 0 when all methods have finished and 1 when one has failed; Ctrl-C keeps what is finished.")
        {
            ConfigFile.Option, Demo, Methods, Model, Rank, Tokens, Batch, Sequence, LearningRates, Tune, TuningTokens, Seeds, Scale, RefreshEvery, MergeEvery,
            WarmStart, Base, Dtype, Device, Data, EvaluationTokens, Out, Resume,
        };
        command.SetAction(Execute);
        command.Subcommands.Add(RunWorker.Create());
        return command;
    }

    private static int Execute(ParseResult parsed)
    {
        var settings = Settings(parsed);
        using var interruption = new Interruption();
        return new Comparison(settings, RunApart, interruption.Token).Execute();

        static RunOutcome RunApart(RunRequest request, TextCorpus corpus, Action<StepReport> stepped, CancellationToken interruption) =>
            RunProcess.Execute(OwnProgram.Start(RunWorker.Name), request, corpus, stepped, interruption);
    }

    private static CompareSettings Settings(ParseResult parsed)
    {
        var demo = parsed.GetValue(Demo);
        var config = LlamaConfigs.Find(parsed.GetValue(Model) ?? "9m");
        var tokens = parsed.GetValue(Tokens) ?? (demo ? 204_800 : 4_000_000);
        var evaluations = demo ? 10 : 16;
        var settings = new CompareSettings
        {
            Methods = Chosen(parsed.GetValue(Methods) ?? []),
            Model = config.Name,
            Rank = parsed.GetValue(Rank) ?? config.Hidden / 4,
            Tokens = tokens,
            Batch = parsed.GetValue(Batch) ?? (demo ? 4 : 8),
            Sequence = parsed.GetValue(Sequence) ?? (demo ? 128 : 256),
            LearningRates = Rates(parsed.GetValue(LearningRates) ?? []),
            TuningTokens = parsed.GetValue(TuningTokens) ?? (parsed.GetValue(Tune) ? tokens / 4 : null),
            Resumes = parsed.GetValue(Resume),
            Seeds = parsed.GetValue(Seeds) is { Length: > 0 } seeds ? seeds : [42],
            Scale = parsed.GetValue(Scale),
            RefreshEvery = parsed.GetValue(RefreshEvery),
            MergeEvery = parsed.GetValue(MergeEvery),
            WarmStart = parsed.GetValue(WarmStart),
            Base = Bases.Find(parsed.GetRequiredValue(Base)),
            Dtype = parsed.GetRequiredValue(Dtype),
            Device = parsed.GetRequiredValue(Device),
            Data = parsed.GetValue(Data) ?? [],
            EvaluationTokens = parsed.GetValue(EvaluationTokens) ?? Math.Min(demo ? 8192 : 65_536, CompareSettings.AffordableValidation(tokens, evaluations)),
            Evaluations = evaluations,
            Out = parsed.GetValue(Out) ?? Path.Combine("runs", demo ? "demo" : "compare"),
            Command = string.Join(' ', ["dotnet run -c Release --project samples/Compare --", .. parsed.Tokens.Select(token => token.Value)]),
        };
        Check(settings);
        _ = Dtypes.Find(settings.Dtype);
        return settings;
    }

    private static string Names(IEnumerable<Method> methods) => string.Join(", ", methods.Select(method => method.Name));

    private static List<Method> Chosen(string[] texts)
    {
        var names = texts.SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries)).ToArray();
        return names switch
        {
            [] => [.. AllMethods.Usual],
            [Everything] => [.. AllMethods.List],
            _ => [.. names.Select(AllMethods.Find).Distinct()],
        };
    }

    private static Dictionary<string, double> Rates(string[] assignments) => assignments
        .SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        .Select(text => text.Split('=') is [var name, var rate]
            && double.TryParse(rate, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value > 0
            ? (AllMethods.Find(name).Name, Rate: value)
            : throw new UserException($"--lr takes method=rate, such as galore=0.01, not '{text}'."))
        .GroupBy(entry => entry.Name)
        .ToDictionary(group => group.Key, group => group.Last().Rate);

    private static void Check(CompareSettings settings)
    {
        UserException.ThrowIfAny(
            string.IsNullOrWhiteSpace(settings.Out) ? "--out must name a folder" : null,
            settings.Rank >= 1 ? null : $"--rank must be at least 1 (is {settings.Rank})",
            settings.Batch >= 1 ? null : $"--batch must be at least 1 (is {settings.Batch})",
            settings.Sequence >= 2 ? null : $"--seq must be at least 2 (is {settings.Sequence})",
            TooFew("--tokens", settings.Tokens),
            settings.TuningTokens is { } tuning ? TooFew("--tune-tokens", tuning) : null,
            settings.LearningRates.Keys.Except(settings.Methods.Select(method => method.Name)).ToArray() is [var unused, ..]
                ? $"--lr gives a rate for {unused}, which is not among the methods that are compared" : null,
            settings.Scale is null or > 0 ? null : $"--scale must be above 0 (is {settings.Scale})",
            settings.RefreshEvery is null or >= 1 ? null : $"--refresh-every must be at least 1 (is {settings.RefreshEvery})",
            settings.WarmStart is null or >= 0 ? null : $"--warm-start must be at least 0 (is {settings.WarmStart})",
            settings.EvaluationTokens >= 1 ? null : $"--eval-tokens must be at least 1 (is {settings.EvaluationTokens})",
            settings.MergeEvery is null or >= 1 ? null : $"--merge-every must be at least 1 (is {settings.MergeEvery})");

        string? TooFew(string option, long tokens)
        {
            var least = (long)settings.Evaluations * settings.Batch * settings.Sequence;
            return settings.Batch < 1 || settings.Sequence < 2 || tokens >= least ? null
                : $"{option} must be at least {least}, which is {settings.Evaluations} steps of {settings.Batch} × {settings.Sequence} (is {tokens})";
        }
    }
}
