using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every strategy of the library, small enough for a test, and what the battery has to know about it.</summary>
public static class Methods
{
    /// <summary>Refresh or restart period that all of them are given.</summary>
    public const int Period = 5;

    /// <summary>Low enough that the moments of the battery's small matrices are quantized, and high enough that its biases are not.</summary>
    private const int Quantized = 32;

    public static readonly IReadOnlyDictionary<string, Func<int, ILowRankStrategy>> ByName = new Dictionary<string, Func<int, ILowRankStrategy>>
    {
        ["galore"] = rank => new GaLore { Rank = rank, RefreshEvery = Period, Scale = 1 },
        ["galore, staggered"] = rank => new GaLore { Rank = rank, RefreshEvery = Period, Scale = 1, Staggered = true },
        ["galore, a step ahead"] = rank => new GaLore
        {
            Rank = rank, RefreshEvery = Period, Scale = 1, Staggered = true, OnRefresh = MomentCarryOver.Rotate, Basis = new WarmStartedBasis { Ahead = true },
        },
        ["galore, 8-bit states"] = rank => GaLore(rank, StateFormat.Blockwise8Bit with { Threshold = Quantized }),
        ["galore, companded 8-bit states"] = rank => GaLore(rank, StateFormat.Companded8Bit with { Threshold = Quantized }),
        ["galore, 4-bit states"] = rank => GaLore(rank, StateFormat.Blockwise4Bit with { Threshold = Quantized }),
        ["q-galore"] = rank => QGaLore(rank, quantizesWeights: true),
        ["q-galore, float weights"] = rank => QGaLore(rank, quantizesWeights: false),
        ["fira"] = rank => new Fira { Rank = rank, RefreshEvery = Period, Scale = 1 },
        ["fira, reference code"] = rank => new Fira { Rank = rank, RefreshEvery = Period, Compatibility = Compatibility.ReferenceCode },
        ["fira, RMSProp"] = rank => new Fira { Rank = rank, RefreshEvery = Period, Scale = 1, Inner = new RmsPropRule() },
        ["galore, Adafactor"] = rank => GaLoreWith(rank, new() { Scale = 1, Inner = new AdafactorRule { Beta1 = 0.9 } }),
        ["galore, relative Adafactor, reference code"] = rank => GaLoreWith(rank, new()
        {
            Scale = 8,
            Inner = new AdafactorRule { ScaleParameter = true },
            Compatibility = Compatibility.ReferenceCode,
        }),
        ["galore, SGD"] = rank => GaLoreWith(rank, new() { Inner = new SgdRule(), Scale = 20 }),
        ["galore, Lion in bfloat16"] = rank => GaLoreWith(rank, new() { Scale = 1, Inner = new LionRule(), States = StateFormat.BFloat16 }),
        ["galore behind a spike guard"] = rank =>
            GaLoreWith(rank, new() { Scale = 1, Guard = new SpikeGuard { ResetEvery = 4 * Period, WarmupAfterReset = Period, ClipStart = 2 } }),
        ["spam"] = _ => new Spam { ResetEvery = 4 * Period, WarmupAfterReset = Period, ClipStart = 2 },
        ["spam, reference code"] = _ =>
            new Spam { ResetEvery = 4 * Period, WarmupAfterReset = Period, ClipStart = 2, Compatibility = Compatibility.ReferenceCode },
        ["spam, sparse"] = _ => new Spam { ResetEvery = Period, WarmupAfterReset = 1, ClipStart = 2, Density = 0.5 },
        ["stable spam"] = _ => new StableSpam { ResetEvery = 2 * Period, TotalSteps = 300 },
        ["stable spam, reference code"] = _ => new StableSpam { ResetEvery = 2 * Period, TotalSteps = 300, Compatibility = Compatibility.ReferenceCode },
        ["muon"] = _ => new Muon(),
        ["muon, exact, 8-bit momentum"] = _ => new Muon { NewtonSchulzSteps = null, States = StateFormat.Blockwise8Bit with { Threshold = Quantized } },
        ["muon, reference code"] = _ => new Muon { Compatibility = Compatibility.ReferenceCode },
        ["dion"] = rank => new Dion { Rank = rank, Scaling = PolarScaling.RootMeanSquare },
        ["dion, orthonormal, 8-bit momentum"] = rank =>
            new Dion { Rank = rank, Scaling = PolarScaling.RootMeanSquare, Orthonormalizes = true,
                States = StateFormat.Blockwise8Bit with { Threshold = Quantized } },
        ["mofasgd"] = rank => new MoFaSgd { Rank = rank },
        ["mofasgd, residual"] = rank => new MoFaSgd { Rank = rank, ResidualScale = 0.03 },
        ["sumo"] = rank => new Sumo { Rank = rank, RefreshEvery = Period },
        ["sumo, Newton-Schulz, 8-bit momentum"] = rank =>
            new Sumo { Rank = rank, RefreshEvery = Period, NewtonSchulzSteps = 5, ResidualScale = 0,
                States = StateFormat.Blockwise8Bit with { Threshold = Quantized } },
        ["gum"] = rank => new Gum { Rank = rank, RefreshEvery = Period },
        ["gum, exact, 8-bit momentum"] = rank => new Gum
        {
            Rank = rank,
            RefreshEvery = Period,
            OutsideShare = 0.3,
            NewtonSchulzSteps = null,
            States = StateFormat.Blockwise8Bit with { Threshold = Quantized },
        },
        ["sinkgd"] = _ => new SinkGD { Scale = 0.5 },
        ["scale"] = _ => new Scale(),
        ["galore, sampled"] = rank =>
            new GaLore { Rank = rank, RefreshEvery = Period, Scale = 1, Basis = new SampledSvdBasis(), OnRefresh = MomentCarryOver.Rotate },
        ["frugal, normalized rows"] = _ => new Frugal { RefreshEvery = Period, ResidualScale = 0.3, Outside = StateFreeStep.NormalizedRows },
        ["frugal, Sinkhorn"] = _ => new Frugal { RefreshEvery = Period, ResidualScale = 0.3, Outside = StateFreeStep.Sinkhorn },
        ["frugal, blocks, Sinkhorn"] = _ =>
            new Frugal { RefreshEvery = Period, ResidualScale = 0.3, ByBlocks = true, Density = 0.5, Outside = StateFreeStep.Sinkhorn },
        ["galore, polar"] = rank => GaLoreWith(rank, new() { Scale = 1, Inner = new PolarRule() }),
        ["flora"] = rank => new Flora { Rank = rank, ResampleEvery = 3 * Period, Adafactor = new() },
        ["flora, relative, in bfloat16"] = rank =>
            new Flora { Rank = rank, ResampleEvery = 3 * Period, Adafactor = new() { ScaleParameter = true, Epsilon2 = 0.3 }, States = StateFormat.BFloat16 },
        ["galore2"] = rank => new GaLore2 { Rank = rank, RefreshEvery = Period, Scale = 1 },
        ["apollo"] = rank => new Apollo { Rank = rank, RefreshEvery = Period },
        ["apollo, mini"] = _ => Apollo.Mini with { RefreshEvery = Period, Scale = 4 },
        ["apollo, reference code"] = rank => new Apollo { Rank = rank, RefreshEvery = Period, Compatibility = Compatibility.ReferenceCode },
        ["ldadam"] = rank => new LDAdam { Rank = rank },
        ["ldadam, no feedback"] = rank => new LDAdam { Rank = rank, Feedback = null, RefreshEvery = Period },
        ["ldadam, 8-bit error"] = rank => new LDAdam { Rank = rank, Feedback = StateFormat.Blockwise8Bit with { Threshold = 32 } },
        ["frugal"] = _ => new Frugal { RefreshEvery = Period, ResidualScale = 0.3 },
        ["frugal, singular vectors"] = _ =>
            new Frugal { RefreshEvery = Period, ResidualScale = 0.3, Basis = new RandomizedSvdBasis(), OnRefresh = MomentCarryOver.Rotate },
        ["frugal, random"] = _ => new Frugal { RefreshEvery = Period, ResidualScale = 0.3, Basis = new RandomOrthonormalBasis() },
        ["frugal, blocks"] = _ => new Frugal { RefreshEvery = Period, ResidualScale = 0.3, ByBlocks = true, Density = 0.5 },
        ["online-subspace-descent"] = rank => new OnlineSubspaceDescent { Rank = rank, Scale = 1 },
        ["online-subspace-descent, SGD"] = rank => new OnlineSubspaceDescent { Rank = rank, Scale = 1, ProjectorUsesAdam = false },
        ["subtrack"] = rank => new SubTrack { Rank = rank, RefreshEvery = Period, Scale = 1 },
        ["adarankgrad"] = rank => new AdaRankGrad
        {
            Rank = rank,
            Scale = 1,
            Basis = new AdaptiveRankBasis { MinRank = 2 },
            Refresh = new EnergyRefresh { LookEvery = 1, AtLeast = Period, AtMost = 2 * Period },
        },
        ["gradnormlorp"] = rank => new GradNormLoRP { Rank = rank, RefreshEvery = Period, Scale = 1 },
        ["gradnormlorp, short side"] = rank => new GradNormLoRP { Rank = rank, RefreshEvery = Period, Scale = 1, Side = ProjectionSide.Short },
        ["balanced"] = rank => new Balanced { Rank = rank, RefreshEvery = Period, Scale = 1 },
        ["galore, DCT, lazy"] = rank =>
            new GaLore { Rank = rank, Scale = 1, Basis = new DctBasis(), Refresh = new LazyRefresh { Every = 2, Remembered = 2 },
                OnRefresh = MomentCarryOver.Rotate },
        ["galore, Gram, variance fill"] = rank =>
            new GaLore { Rank = rank, Scale = 1, RefreshEvery = Period, Basis = new GramBasis(), OnRefresh = MomentCarryOver.VarianceFill },
        ["galore, both sides, rotated"] = rank =>
            new GaLore { Rank = rank, Scale = 1, RefreshEvery = Period, Side = ProjectionSide.Both, OnRefresh = MomentCarryOver.VarianceFill },
        ["galore, bfloat16 basis and states"] = rank =>
            new GaLore { Rank = rank, Scale = 1, RefreshEvery = Period, BasisFormat = StateFormat.BFloat16, States = StateFormat.BFloat16 },
        ["galore, path efficiency"] = rank => new GaLore { Rank = rank, Scale = 1, Refresh = new PathEfficiencyRefresh { Least = 0.5, LookEvery = 2 } },
        ["relora"] = rank => ReLoRA(rank, Injection.Replace),
        ["relora, hook"] = rank => ReLoRA(rank, Injection.Hook),
        ["relora, shadow"] = rank => ReLoRA(rank, Injection.Shadow),
        ["relora, SVD"] = rank =>
            new ReLoRA { Rank = rank, Alpha = rank, MergeEvery = 2 * Period, RestartInit = FactorInit.PiSSA, Reset = OptimizerReset.Zero },
        ["relora, shadow, SVD"] = rank => ReLoRA(rank, Injection.Shadow) with { RestartInit = FactorInit.PiSSA },
        ["relora, falling rank"] = rank => new ReLoRA { Rank = rank, Alpha = rank, MergeEvery = 2 * Period, RankDecay = 0.5, ResetStepCounter = false },
        ["relora, warm start"] = rank => new ReLoRA { Rank = rank, Alpha = rank, MergeEvery = Period, WarmStartSteps = Period - 1 },
        ["sltrain"] = rank => SLTrain(new() { Rank = rank, Alpha = rank }),
        ["sltrain, shadow"] = rank => SLTrain(new() { Rank = rank, Alpha = rank, Injection = Injection.Shadow }),
        ["sltrain, support from the seed"] = rank => SLTrain(new() { Rank = rank, Alpha = rank, KeepsIndices = false, PreservesVariance = true }),
        ["sltrain, from the weight"] = rank => SLTrain(new() { Rank = rank, Alpha = rank, StartsFromWeight = true }),
        ["sltrain, shadow, from weight and seed"] = rank =>
            SLTrain(new() { Rank = rank, Alpha = rank, Injection = Injection.Shadow, StartsFromWeight = true, KeepsIndices = false }),
        ["relora, NF4"] = rank => ReLoRA(rank, BaseFormat.NF4, MergeRounding.Stochastic),
        ["relora, 8-bit base"] = rank => ReLoRA(rank, BaseFormat.Blockwise8Bit, MergeRounding.Stochastic),
        ["relora, NF4, carried residual"] = rank => ReLoRA(rank, BaseFormat.NF4, MergeRounding.CarryResidual),
        ["relora, NF4, warm start"] = rank =>
            new ReLoRA { Rank = rank, Alpha = rank, MergeEvery = 2 * Period, WarmStartSteps = Period - 1, Base = BaseFormat.NF4,
                Rounding = MergeRounding.CarryResidual },
        ["lora, NF4"] = rank => LoRA(rank, new() { Base = BaseFormat.NF4 }),
        ["lora, NF4, PiSSA"] = rank => LoRA(rank, new() { Base = BaseFormat.NF4, Init = FactorInit.PiSSA }),
        ["lora, NF4, falling rank"] = rank => ChangingRank(rank, from: 1.5, Injection.Replace, format: BaseFormat.NF4),
        ["lora"] = rank => LoRA(rank, new()),
        ["spectron"] = rank => new Spectron { Rank = rank, Scale = 5 },
        ["spectron, exact, 8-bit momentum"] = rank => new Spectron
        {
            Rank = rank,
            Scale = 5,
            NewtonSchulzSteps = null,
            PowerIterations = 3,
            States = StateFormat.Blockwise8Bit with { Threshold = Quantized },
        },
        ["factorized"] = rank => new LowRankFactorization { Rank = rank },
        ["factorized, decomposed anew"] = rank => new LowRankFactorization { Rank = rank, RefactorEvery = 2 * Period },
        ["factorized, random"] = rank => new LowRankFactorization { Rank = rank, StartsFromWeight = false },
        ["cola"] = rank => new CoLA { Rank = rank },
        ["welore"] = _ => new WeLore { Ratio = 0.1, MinRatio = 0 },
        ["inrank"] = rank => InRank(rank, keepsWeights: false),
        ["inrank, kept weight"] = rank => InRank(rank, keepsWeights: true),
        ["inrank, as the code measures"] = rank => (Growing(rank) with { Compatibility = Compatibility.ReferenceCode }),
        ["lora+, hook"] = rank => LoRA(rank, new() { LearningRateRatio = 4, Injection = Injection.Hook }),
        ["lora+, shadow"] = rank => LoRA(rank, new() { LearningRateRatio = 4, Injection = Injection.Shadow }),
        ["lora, patterns"] = rank =>
            LoRA(rank,
                new() { RankPattern = new Dictionary<string, int> { [".*"] = rank + 1 }, AlphaPattern = new Dictionary<string, double> { [".*"] = rank } }),
        ["lora, PiSSA"] = rank => LoRA(rank, new() { Init = FactorInit.PiSSA }),
        ["lora, PiSSA, shadow"] = rank => LoRA(rank, new() { Init = FactorInit.PiSSA, Injection = Injection.Shadow }),
        ["lora, OLoRA, hook"] = rank => LoRA(rank, new() { Init = FactorInit.OLoRA, Injection = Injection.Hook }),
        ["dora"] = rank => new DoRA { Rank = rank, Alpha = rank / 2.0, TrainOthers = true },
        ["dora, hook, full gradient"] = rank => new DoRA { Rank = rank, Alpha = rank, Injection = Injection.Hook, NormGradient = true, TrainOthers = true },
        ["dora, projected"] = rank =>
            new DoRA { Rank = rank, Alpha = rank, Projected = new() { Rank = rank, RefreshEvery = Period, Scale = 1 }, TrainOthers = true },
        ["lora, falling rank"] = rank => ChangingRank(rank, from: 1.5, Injection.Replace),
        ["lora, falling rank, hook"] = rank => ChangingRank(rank, from: 1.5, Injection.Hook, resets: true),
        ["lora, falling rank, shadow"] = rank => ChangingRank(rank, from: 1.5, Injection.Shadow),
        ["lora, growing rank"] = rank => ChangingRank(rank, from: 0.5, Injection.Replace),
        ["lora, growing rank, shadow"] = rank => ChangingRank(rank, from: 0.5, Injection.Shadow),
        ["prilora"] = rank => PriLoRA(rank, Injection.Replace),
        ["prilora, hook"] = rank => PriLoRA(rank, Injection.Hook),
        ["switchlora"] = rank => SwitchLoRA(rank, new() { SwitchEvery = 4 * Period }),
        ["switchlora, hook, ever rarer"] = rank => SwitchLoRA(rank, new() { SwitchEvery = 17, TotalSteps = 300, Injection = Injection.Hook }),
    };

    public static TheoryData<string> All => [.. ByName.Keys];

    /// <value>All of them, in float32 and in bfloat16.</value>
    public static TheoryData<string, ScalarType> InSingleAndHalf
    {
        get
        {
            var runs = new TheoryData<string, ScalarType>();
            foreach (var method in ByName.Keys)
                foreach (var dtype in new[] { ScalarType.Float32, ScalarType.BFloat16 })
                    runs.Add(method, dtype);
            return runs;
        }
    }

    private static GaLore GaLore(int rank, StateFormat states) => new() { Rank = rank, RefreshEvery = Period, Scale = 1, States = states };

    private static GaLore GaLoreWith(int rank, GaLore method) => method with { Rank = rank, RefreshEvery = Period };

    private static QGaLore QGaLore(int rank, bool quantizesWeights) => new()
    {
        Rank = rank,
        RefreshEvery = Period,
        Scale = 1,
        RememberedSimilarities = 1,
        BasisFormat = StateFormat.Affine4Bit with { Threshold = Quantized },
        States = StateFormat.Blockwise8Bit with { Threshold = Quantized },
        QuantizesWeights = quantizesWeights,
    };

    private static SLTrain SLTrain(SLTrain options) => options with { Density = 0.2 };

    /// <summary>Whether a method trains float64 weights; a quantized base is made from shorter ones.</summary>
    public static bool TakesFloat64(string name) => !name.Contains("NF4", StringComparison.Ordinal) && !name.Contains("8-bit base", StringComparison.Ordinal);

    /// <summary>Whether the end of a training leaves the model's function; PRILoRA prunes its factors once more.</summary>
    public static bool FinishKeepsTheFunction(string name) => !name.StartsWith("prilora", StringComparison.Ordinal);

    private static ReLoRA ReLoRA(int rank, BaseFormat format, MergeRounding rounding) =>
        new() { Rank = rank, Alpha = rank, MergeEvery = 2 * Period, Base = format, Rounding = rounding };

    private static ReLoRA ReLoRA(int rank, Injection injection) => new() { Rank = rank, Alpha = rank, MergeEvery = Period, Injection = injection };

    /// <summary>Grows after the first period, settles after the second.</summary>
    private static InRank InRank(int rank, bool keepsWeights) => Growing(rank) with { KeepsWeights = keepsWeights };

    private static InRank Growing(int rank) =>
        new() { Rank = rank, Buffer = 2, MaxRankRatio = 1, EnergyRatio = 0.99, WarmupSteps = 0, CheckEvery = Period, GrowSteps = 2 * Period };

    private static LoRA LoRA(int rank, LoRA options) => options with { Rank = rank, Alpha = rank, TrainOthers = true };

    /// <summary>The rank changes after two and three periods, once what is planned has been compared with what is held.</summary>
    private static LoRA ChangingRank(int rank, double from, Injection injection, bool resets = false,
        BaseFormat format = BaseFormat.Dense) => new()
    {
        Rank = rank,
        Alpha = rank,
        Injection = injection,
        RankSchedule = new LinearRank { From = from, To = 1, Start = Period, End = 3 * Period, Every = Period },
        ResetsOnRankChange = resets,
        TrainOthers = true,
        Base = format,
    };

    private static PriLoRA PriLoRA(int rank, Injection injection) => new()
    {
        FirstRank = rank,
        Rank = rank,
        Alpha = rank,
        PruneEvery = Period,
        PruneUntil = 4 * Period,
        TrainOthers = true,
        Sparsity = Sparsity.Share(0.25),
        Injection = injection,
    };

    /// <summary>At the battery's usual rank the first exchange is at the end of the first period.</summary>
    private static SwitchLoRA SwitchLoRA(int rank, SwitchLoRA options) => options with { Rank = rank, Alpha = rank, HoldSteps = 3 };

    public static ILowRankStrategy Make(string name, int rank = 4) => ByName[name](rank);
}
