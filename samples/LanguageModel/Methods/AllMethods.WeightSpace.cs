using LanguageModel.CommandLine;
using LanguageModel.Model;
using LowRankTraining.Layers;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;

namespace LanguageModel.Methods;

/// <content>The methods that change the model.</content>
public static partial class AllMethods
{
    private static AttachedMethod ReLoRA(Llama model, MethodSettings settings) => ReLoRA(model, settings, new() { Rank = settings.Rank });

    /// <summary>A quarter of the steps at full rank first, as in the paper, and the scale that did best on the 9m model.</summary>
    private static AttachedMethod WarmReLoRA(Llama model, MethodSettings settings) => ReLoRA(
        model,
        settings with { WarmStart = settings.WarmStart ?? settings.Steps / 4, Scale = settings.Scale ?? 16 },
        new() { Rank = settings.Rank });

    /// <summary>Twice the rank in the first of four stretches, half of it in the last: the mean is about the constant one's.</summary>
    private static AttachedMethod FallingReLoRA(Llama model, MethodSettings settings) =>
        ReLoRA(model, settings, new() { Rank = 2 * settings.Rank, Alpha = 2 * new ReLoRA().Alpha, RankDecay = Math.Pow(0.25, 1 / 3.0) });

    private static AttachedMethod DecomposingReLoRA(Llama model, MethodSettings settings) =>
        ReLoRA(model, settings, new() { Rank = settings.Rank, RestartInit = FactorInit.PiSSA, Reset = OptimizerReset.Zero });

    private static AttachedMethod ReLoRA(Llama model, MethodSettings settings, ReLoRA told)
    {
        var mergeEvery = settings.MergeEvery ?? (settings.Steps + 3) / 4;
        var options = told with
        {
            Alpha = settings.Scale * told.Rank ?? told.Alpha,
            MergeEvery = mergeEvery,
            WarmStartSteps = settings.WarmStart ?? told.WarmStartSteps,
            Base = settings.Base,
            Seed = (ulong)settings.Seed,
            Logger = new Warnings(),
        };

        var untilFirst = options.WarmStartSteps > 0 ? options.WarmStartSteps : mergeEvery;
        var schedule = options.ScheduleFor(settings.Steps, warmup: Math.Min(settings.Warmup, untilFirst), restartWarmup: Math.Min(100, mergeEvery / 10));
        return LowRank(model, settings, schedule, options);
    }

    private static AttachedMethod LoRA(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), new LoRA
    {
        Rank = settings.Rank,
        Alpha = settings.Scale * settings.Rank ?? 32, // as the baseline of the GaLore paper
        Base = settings.Base,
        Seed = (ulong)settings.Seed,
        TrainOthers = true, // from scratch
        Logger = new Warnings(),
    });

    private static AttachedMethod DoRA(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), new DoRA
    {
        Rank = settings.Rank,
        Alpha = settings.Scale * settings.Rank ?? 32, // as LoRA
        Seed = (ulong)settings.Seed,
        TrainOthers = true, // from scratch
        Logger = new Warnings(),
    });

    /// <summary>Ranks from half of the rank to one and a half of it: on the average that of LoRA.</summary>
    private static AttachedMethod PriLoRA(Llama model, MethodSettings settings)
    {
        var last = (3 * settings.Rank + 1) / 2;
        return LowRank(model, settings, Cosine(settings), new PriLoRA
        {
            FirstRank = Math.Max(1, settings.Rank / 2),
            Rank = last,
            Alpha = settings.Scale * last ?? 32,
            Seed = (ulong)settings.Seed,
            TrainOthers = true, // from scratch
            Logger = new Warnings(),
        });
    }

    private static AttachedMethod SwitchLoRA(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), new SwitchLoRA
    {
        Rank = settings.Rank,
        Alpha = settings.Scale * settings.Rank ?? new SwitchLoRA().Alpha,
        TotalSteps = settings.Steps,
        Seed = (ulong)settings.Seed,
        Logger = new Warnings(),
    });

    private static AttachedMethod SLTrain(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), new SLTrain
    {
        Rank = settings.Rank,
        Alpha = (settings.Scale ?? 0.25) * settings.Rank, // s of the authors' script for their smallest model
        Seed = (ulong)settings.Seed,
        Logger = new Warnings(),
    });

    private static AttachedMethod Spectron(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new Spectron
        {
            Rank = settings.Rank,
            Scale = settings.Scale ?? 1,
            Seed = (ulong)settings.Seed,
            Logger = new Warnings(),
        });

    private static AttachedMethod Factorized(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new LowRankFactorization { Rank = settings.Rank, Seed = (ulong)settings.Seed, Logger = new Warnings() });

    private static AttachedMethod CoLA(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new CoLA { Rank = settings.Rank, Seed = (ulong)settings.Seed, Logger = new Warnings() });

    /// <summary>Half of the rank is there from the start, and the first quarter of the run decides on the rest.</summary>
    private static AttachedMethod InRank(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), new InRank
    {
        Rank = Math.Max(1, settings.Rank / 2),
        Buffer = Math.Max(1, settings.Rank / 2),
        WarmupSteps = settings.Warmup,
        GrowSteps = Math.Max(1, settings.Steps / 4),
        Seed = (ulong)settings.Seed,
        Logger = new Warnings(),
    });

    /// <summary>As many singular values as the rank would leave on average, of every matrix.</summary>
    private static AttachedMethod WeLore(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), new WeLore
    {
        Ratio = Math.Clamp(1 - (double)settings.Rank / model.Config.Hidden, 0.01, 0.99),
        MinRatio = 0,
        Seed = (ulong)settings.Seed,
        Logger = new Warnings(),
    });
}
