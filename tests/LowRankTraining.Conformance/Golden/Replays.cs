using LowRankTraining.Parts;
using LowRankTraining.Strategies;

namespace LowRankTraining.Conformance.Golden;

/// <summary>How a recorded case is run against the library: one entry for each method that is there.</summary>
public static class Replays
{
    private static readonly Dictionary<string, Func<GoldenCase, IReadOnlyList<Deviation>>> ByMethod = new()
    {
        ["galore_adamw"] = golden => Trajectory.Replay(golden, GaLore(golden).Attach),
        ["fira_adamw"] = golden => Trajectory.Replay(golden, Fira(golden).Attach),
        ["fira_rmsprop"] = golden => Trajectory.Replay(golden, FiraRmsProp(golden).Attach, decays: false),
        ["apollo"] = SubspaceReplays.Apollo,
        ["ldadam"] = SubspaceReplays.LDAdam,
        ["ldadam_dense"] = SubspaceReplays.LDAdam,
        ["frugal"] = SubspaceReplays.Frugal,
        ["osd"] = SubspaceReplays.OnlineSubspaceDescent,
        ["adamw8bit"] = golden => Trajectory.Replay(golden, AdamW8Bit(golden).Attach),
        ["galore_adafactor"] = UpdateReplays.GaLoreAdafactor,
        ["flora"] = UpdateReplays.Flora,
        ["spam"] = UpdateReplays.Spam,
        ["stable_spam"] = UpdateReplays.StableSpam,
        ["newton_schulz5"] = PolarReplays.NewtonSchulz,
        ["muon"] = PolarReplays.Muon,
        ["dion"] = PolarReplays.Dion,
        ["mofasgd"] = PolarReplays.MoFaSgd,
        ["adaptive_gap"] = QGaLoreFunctions.AdaptiveGap,
        ["int8_linear"] = QGaLoreFunctions.Int8Layer,
        ["lr_schedule"] = Functions.Schedule,
        ["magnitude_pruning"] = Functions.MagnitudePruning,
        ["lora_linear"] = Functions.LowRankLayer,
        ["sltrain_linear"] = SparseFunctions.SparseLowRankLayer,
        ["inrank_rank_decision"] = InRankFunctions.Decision,
        ["welore_ranks"] = WeLoreFunctions.Ranks,
        ["prilora"] = PriLoRAFunctions.Importance,
        ["dynamic_map"] = QuantizationFunctions.DynamicMap,
        ["linear_map"] = QuantizationFunctions.LinearMap,
        ["quantize_blockwise"] = QuantizationFunctions.Blockwise8Bit,
        ["quantize_4bit"] = QuantizationFunctions.Blockwise4Bit,
        ["quantize_int4"] = QuantizationFunctions.AffineToNearest,
        ["quantize_int8"] = QuantizationFunctions.AffineToNearest,
        ["quantize_int8_stochastic"] = QuantizationFunctions.AffineStochastic,
    };

    public static IReadOnlyList<Deviation> Of(GoldenCase golden) => ByMethod.TryGetValue(golden.Method, out var replay)
        ? replay(golden)
        : throw new NotSupportedException($"'{golden.Name}' records '{golden.Method}', which nothing replays: add it to {nameof(Replays)}.");

    private static GaLore GaLore(GoldenCase golden) => new()
    {
        Compatibility = Compatibility.ReferenceCode,
        Rank = golden.Has("hp.rank") ? golden.Whole("hp.rank") : 1,
        RefreshEvery = golden.Has("hp.update_proj_gap") ? golden.Whole("hp.update_proj_gap") : 1,
        Scale = golden.Has("hp.scale") ? golden.Number("hp.scale") : 1,
        Side = golden.Has("hp.proj_type") ? Side(golden.Text("hp.proj_type")) : ProjectionSide.Short,
        Beta1 = golden.Number("hp.beta1"),
        Beta2 = golden.Number("hp.beta2"),
        Epsilon = golden.Number("hp.eps"),
        BiasCorrection = golden.Flag("hp.correct_bias"),
    };

    /// <summary>Full rank. The recorded implementation decays before the update and adds ε after bias correction, as we do by default.</summary>
    private static GaLore AdamW8Bit(GoldenCase golden) => new()
    {
        Rank = 1,
        Beta1 = golden.Number("hp.beta1"),
        Beta2 = golden.Number("hp.beta2"),
        Epsilon = golden.Number("hp.eps"),
        States = StateFormat.Blockwise8Bit with { Block = golden.Whole("hp.block"), Threshold = 0 },
    };

    private static Fira Fira(GoldenCase golden) => FiraBase(golden) with
    {
        Beta1 = golden.Number("hp.beta1"),
        Beta2 = golden.Number("hp.beta2"),
        Epsilon = golden.Number("hp.eps"),
        BiasCorrection = golden.Flag("hp.correct_bias"),
    };

    private static Fira FiraRmsProp(GoldenCase golden) => FiraBase(golden) with
    {
        Inner = new RmsPropRule
        {
            Beta = golden.Number("hp.beta"),
            Epsilon = golden.Number("hp.eps"),
            Momentum = golden.Number("hp.momentum"),
            Centered = golden.Flag("hp.centered"),
        },
    };

    private static Fira FiraBase(GoldenCase golden) => new()
    {
        Compatibility = Compatibility.ReferenceCode,
        Rank = golden.Whole("hp.rank"),
        RefreshEvery = golden.Whole("hp.update_proj_gap"),
        Scale = golden.Number("hp.alpha"),
        Side = Side(golden.Text("hp.proj_type")),
    };

    internal static ProjectionSide Side(string type) => type switch
    {
        "std" => ProjectionSide.Short,
        "reverse_std" => ProjectionSide.Long,
        "left" => ProjectionSide.Left,
        "right" => ProjectionSide.Right,
        "full" => ProjectionSide.Both,
        _ => throw new InvalidDataException($"Unknown projector type '{type}'."),
    };
}
