using LanguageModel.CommandLine;
using LanguageModel.Model;
using LowRankTraining;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using static TorchSharp.torch;

namespace LanguageModel.Methods;

/// <summary>The methods that the samples can train with.</summary>
public static class AllMethods
{
    /// <value>Every method; the first is what the others are measured against.</value>
    /// <remarks>Learning rates: those of the papers for GaLore, Q-GaLore and Fira; the best of 1e-3, 2e-3, 3e-3 on the 9m model and 200,000 tokens of the default text for AdamW, ReLoRA and LoRA;
    /// SPAM and Stable-SPAM take AdamW's, and Flora's, which is relative to the size of the weights, has not been searched.</remarks>
    public static IReadOnlyList<Method> List { get; } =
    [
        new("adamw", "AdamW", 2e-3, AdamW),
        new("galore", "GaLore", 1e-2, GaLore),
        new("q-galore", "Q-GaLore", 1.5e-2, QGaLore),
        new("fira", "Fira", 1e-2, Fira),
        new("spam", "SPAM", 2e-3, Spam),
        new("stable-spam", "Stable-SPAM", 2e-3, StableSpam),
        new("flora", "Flora", 3e-2, Flora),
        new("relora", "ReLoRA", 2e-3, ReLoRA),
        new("lora", "LoRA", 2e-3, LoRA),
    ];

    /// <summary>The method named <paramref name="name"/>, in any case.</summary>
    /// <exception cref="UserException">No method has that name; the message lists those that exist.</exception>
    public static Method Find(string name) =>
        List.FirstOrDefault(method => method.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new UserException($"There is no method '{name}'. Choose one of: {string.Join(", ", List.Select(method => method.Name))}.");

    private static AttachedMethod AdamW(Llama model, MethodSettings settings) =>
        new(model, optim.AdamW(model.named_parameters(), lr: settings.LearningRate), Cosine(settings));

    private static AttachedMethod GaLore(Llama model, MethodSettings settings)
    {
        var options = new GaLoreOptions { Rank = settings.Rank, Seed = (ulong)settings.Seed, Logger = new Warnings() };
        return LowRank(model, settings, Cosine(settings), new GaLoreStrategy(options with
        {
            Scale = settings.Scale ?? options.Scale,
            RefreshEvery = settings.RefreshEvery ?? options.RefreshEvery,
        }));
    }

    private static AttachedMethod QGaLore(Llama model, MethodSettings settings)
    {
        var options = new QGaLoreOptions { Rank = settings.Rank, Seed = (ulong)settings.Seed, Logger = new Warnings() };
        return LowRank(model, settings, Cosine(settings), new QGaLoreStrategy(options with
        {
            Scale = settings.Scale ?? options.Scale,
            RefreshEvery = settings.RefreshEvery ?? options.RefreshEvery,
        }));
    }

    private static AttachedMethod Fira(Llama model, MethodSettings settings)
    {
        var options = new FiraOptions { Rank = settings.Rank, Seed = (ulong)settings.Seed, Logger = new Warnings() };
        return LowRank(model, settings, Cosine(settings), new FiraStrategy(options with
        {
            Scale = settings.Scale ?? options.Scale,
            RefreshEvery = settings.RefreshEvery ?? options.RefreshEvery,
        }));
    }

    private static AttachedMethod Spam(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new SpamStrategy(new() { Seed = (ulong)settings.Seed, ResetEvery = settings.RefreshEvery ?? 500 }));

    private static AttachedMethod StableSpam(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new StableSpamStrategy(new() { Seed = (ulong)settings.Seed, ResetEvery = settings.RefreshEvery ?? 1000, TotalSteps = settings.Steps }));

    private static AttachedMethod Flora(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new FloraStrategy(new() { Rank = settings.Rank, Seed = (ulong)settings.Seed, ResampleEvery = settings.RefreshEvery ?? 1000 }));

    private static AttachedMethod ReLoRA(Llama model, MethodSettings settings)
    {
        var options = new ReLoRAOptions { Rank = settings.Rank, Seed = (ulong)settings.Seed, Logger = new Warnings() };
        var mergeEvery = settings.MergeEvery ?? (settings.Steps + 3) / 4;
        return LowRank(model, settings, Jagged(settings, mergeEvery), new ReLoRAStrategy(options with
        {
            Alpha = settings.Scale * settings.Rank ?? options.Alpha,
            MergeEvery = mergeEvery,
            WarmStartSteps = settings.WarmStart ?? options.WarmStartSteps,
        }));
    }

    private static AttachedMethod LoRA(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), new LoRAStrategy(new LoRAOptions
    {
        Rank = settings.Rank,
        Alpha = settings.Scale * settings.Rank ?? 32, // as the baseline of the GaLore paper
        Seed = (ulong)settings.Seed,
        Logger = new Warnings(),
    }));

    private static AttachedMethod LowRank(Llama model, MethodSettings settings, ILrSchedule schedule, ILowRankStrategy strategy) =>
        new(model, strategy.Attach(model, Targets.AllLinear().Except("lm_head")).CreateOptimizer(settings.LearningRate), schedule);

    private static CosineSchedule Cosine(MethodSettings settings) => new() { TotalSteps = settings.Steps, Warmup = settings.Warmup };

    /// <summary>The cosine with a drop at every merge; it ends where the last stretch between merges does.</summary>
    private static JaggedCosineSchedule Jagged(MethodSettings settings, long mergeEvery) => new()
    {
        TotalSteps = (settings.Steps + mergeEvery - 1) / mergeEvery * mergeEvery,
        Warmup = Math.Min(settings.Warmup, mergeEvery),
        RestartEvery = mergeEvery,
        RestartWarmup = Math.Min(100, mergeEvery / 10),
    };
}
