using LanguageModel.CommandLine;
using LanguageModel.Model;
using LowRankTraining;
using LowRankTraining.Parts;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using static TorchSharp.torch;

namespace LanguageModel.Methods;

/// <summary>The methods that the samples can train with.</summary>
public static partial class AllMethods
{
    /// <value>Every method; the first is what the others are measured against.</value>
    /// <remarks>Learning rates are the best or next to it of a search over powers of two, on the 9m model and 204,800 tokens of the default text: see
    /// benchmarks/results/comparison. WeLore's is for a model that has been trained.</remarks>
    public static IReadOnlyList<Method> List { get; } =
    [
        AdamW("adamw", "AdamW"),

        Projecting("adarankgrad", "AdaRankGrad", 2e-2),
        Projecting("apollo", "APOLLO", 1e-2),
        new("apollo-mini", "APOLLO-Mini", 1e-2, Mini),
        Projecting("balanced", "Balanced", 1e-2),
        new("dion", "Dion", 2e-2, (model, settings) => Dion(model, settings, orthonormalizes: false)),
        Projecting("fira", "Fira", 1e-2),
        new("flora", "Flora", 3e-2, Flora),
        new("frugal", "FRUGAL", 4e-3, Frugal),
        Projecting("galore", "GaLore", 1e-2),
        Projecting("galore-8bit", "8-bit GaLore", 1e-2, new GaLore { States = StateFormat.Blockwise8Bit }),
        Projecting("galore-adafactor", "GaLore with Adafactor", 1e-2, new GaLore { Inner = new AdafactorRule() }),
        Projecting("galore2", "GaLore 2", 1e-2),
        Projecting("gradnormlorp", "GradNormLoRP", 1.6e-2),
        new("gum", "GUM", 2e-3, Gum),
        Projecting("ldadam", "LDAdam", 4e-3),
        new("mofasgd", "MoFaSGD", 8e-3, MoFaSgd),
        new("muon", "Muon", 8e-3, (model, settings) => Muon(model, settings, StateFormat.Float32)),
        Projecting("online-subspace-descent", "Online Subspace Descent", 1e-2),
        Projecting("q-galore", "Q-GaLore", 1.5e-2),
        new("scale", "SCALE", 2e-3, Scale),
        new("sinkgd", "SinkGD", 2e-2, SinkGD),
        new("spam", "SPAM", 2e-3, Spam),
        new("stable-spam", "Stable-SPAM", 4e-3, StableSpam),
        Projecting("subtrack", "SubTrack++", 8e-3),
        Projecting("sumo", "SUMO", 8e-3),

        new("relora", "ReLoRA", 2e-3, ReLoRA),
        new("relora-warm", "ReLoRA after a warm start", 2e-3, WarmReLoRA),
        new("relora-decreasing", "ReLoRA, falling rank", 2e-3, FallingReLoRA),
        new("lora", "LoRA", 2e-3, LoRA),
        new("prilora", "PRILoRA", 2e-3, PriLoRA),
        new("switchlora", "SwitchLoRA", 1e-2, SwitchLoRA),
        new("dora", "DoRA", 2e-3, DoRA),

        new("sltrain", "SLTrain", 3e-3, SLTrain),
        new("spectron", "Spectron", 4e-2, Spectron),
        new("factorized", "Low-rank factorization", 2e-3, Factorized),
        new("cola", "CoLA", 2e-3, CoLA),
        new("inrank", "InRank", 2e-3, InRank),
        new("welore", "WeLore", 2e-3, WeLore),
    ];

    /// <value>What is compared where nobody says what: one method of each kind.</value>
    public static IReadOnlyList<Method> Usual { get; } = [.. new[] { "adamw", "galore", "fira", "apollo", "relora", "lora" }.Select(Find)];

    /// <summary>The method named <paramref name="name"/>, in any case.</summary>
    /// <exception cref="UserException">No method has that name; the message lists those that exist.</exception>
    public static Method Find(string name) =>
        List.Concat(Ablations).FirstOrDefault(method => method.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new UserException(
            $"There is no method '{name}'.{Nearest.DidYouMean(name, List.Select(method => method.Name))} "
            + $"Choose one of: {string.Join(", ", List.Select(method => method.Name))}.");

    private static Method AdamW(string name, string title, double beta2 = 0.999, double? weightDecay = null) =>
        new(name, title, 2e-3, (model, settings) => AdamW(model, settings, beta2, weightDecay ?? settings.WeightDecay));

    private static AttachedMethod AdamW(Llama model, MethodSettings settings, double beta2, double weightDecay)
    {
        if (settings.World is { Size: > 1 })
            throw new UserException("adamw is TorchSharp's own optimizer, which trains in one process: start without mpiexec, or take another --strategy.");
        if (settings.Gradients != GradientFlow.Whole)
            throw new UserException($"TorchSharp's AdamW takes whole gradients only, and not {settings.Gradients.ToString().ToLowerInvariant()} ones.");
        if (settings.KeepsRemainders)
            throw new UserException("TorchSharp's AdamW rounds bfloat16 weights to the nearest: leave out --keep-remainders, or take another --strategy.");
        return new(
            model, optim.AdamW(model.named_parameters(), lr: settings.LearningRate, beta2: beta2, weight_decay: weightDecay), Cosine(settings));
    }

    /// <summary>A method that projects gradients and leaves the model as it is.</summary>
    /// <param name="name">What it is asked for by.</param>
    /// <param name="title">What it is called in tables.</param>
    /// <param name="learningRate">Its usual learning rate.</param>
    /// <param name="method">The method; the one of that name when null.</param>
    private static Method Projecting(string name, string title, double learningRate, GradientSpaceMethod? method = null) =>
        new(name, title, learningRate, (model, settings) =>
            LowRank(model, settings, Cosine(settings),
                Told(method ?? (GradientSpaceMethod)LowRankStrategies.Create(name), settings) with { Rank = settings.Rank }));

    /// <summary>A method that knows what all of them are told, but for the rank. What has no period of its own is not given one.</summary>
    private static TMethod Told<TMethod>(TMethod method, MethodSettings settings) where TMethod : GradientSpaceMethod => method with
    {
        Scale = settings.Scale ?? method.Scale,
        RefreshEvery = method.Refresh is null ? settings.RefreshEvery ?? method.RefreshEvery : method.RefreshEvery,
        Seed = (ulong)settings.Seed,
        Logger = new Warnings(),
    };

    private static AttachedMethod Mini(Llama model, MethodSettings settings) => LowRank(model, settings, Cosine(settings), Told(Apollo.Mini, settings));

    /// <summary>Its share of the space is the rank's share of the model's width.</summary>
    private static AttachedMethod Frugal(Llama model, MethodSettings settings) => LowRank(
        model, settings, Cosine(settings), Told(new Frugal(), settings) with { Density = Math.Min(1, (double)settings.Rank / model.Config.Hidden) });

    private static AttachedMethod Spam(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new Spam { Seed = (ulong)settings.Seed, ResetEvery = settings.RefreshEvery ?? 500 });

    private static AttachedMethod Dion(Llama model, MethodSettings settings, bool orthonormalizes) => LowRank(
        model, settings, Cosine(settings), new Dion { Rank = settings.Rank, Orthonormalizes = orthonormalizes, Seed = (ulong)settings.Seed });

    private static AttachedMethod MoFaSgd(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new MoFaSgd { Rank = settings.Rank, Seed = (ulong)settings.Seed });

    private static AttachedMethod Gum(Llama model, MethodSettings settings)
    {
        var method = new Gum { Rank = settings.Rank, Seed = (ulong)settings.Seed };
        return LowRank(model, settings, Cosine(settings), method with { RefreshEvery = settings.RefreshEvery ?? method.RefreshEvery });
    }

    private static AttachedMethod Muon(Llama model, MethodSettings settings, StateFormat states) =>
        LowRank(model, settings, Cosine(settings), new Muon { States = states, Seed = (ulong)settings.Seed });

    private static AttachedMethod Scale(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new Scale { Seed = (ulong)settings.Seed });

    private static AttachedMethod SinkGD(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings), new SinkGD { Seed = (ulong)settings.Seed });

    private static AttachedMethod StableSpam(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings),
            new StableSpam { Seed = (ulong)settings.Seed, ResetEvery = settings.RefreshEvery ?? 1000, TotalSteps = settings.Steps });

    private static AttachedMethod Flora(Llama model, MethodSettings settings) =>
        LowRank(model, settings, Cosine(settings),
            new Flora { Rank = settings.Rank, Seed = (ulong)settings.Seed, ResampleEvery = settings.RefreshEvery ?? 1000 });

    private static AttachedMethod LowRank(Llama model, MethodSettings settings, ILrSchedule schedule, ILowRankStrategy strategy) =>
        new(model, Optimizer(Kept(strategy, settings).Attach(model, Targets.AllLinear().Except("lm_head"), settings.Gradients), settings), schedule)
        {
            Gradients = settings.Gradients,
        };

    private static ILowRankStrategy Kept(ILowRankStrategy strategy, MethodSettings settings) => strategy switch
    {
        _ when !settings.KeepsRemainders => strategy,
        UpdateMethod method => method with { KeepsRemainders = true },
        _ => throw new UserException($"--keep-remainders is for methods that leave the model as it is, and not for {strategy.Name}."),
    };

    private static LowRankOptimizer Optimizer(ILowRankSession session, MethodSettings settings) => settings.World is { } world
        ? session.CreateOptimizer(settings.LearningRate, world, settings.WeightDecay)
        : session.CreateOptimizer(settings.LearningRate, settings.WeightDecay);

    private static CosineSchedule Cosine(MethodSettings settings) => new() { TotalSteps = settings.Steps, Warmup = settings.Warmup };
}
