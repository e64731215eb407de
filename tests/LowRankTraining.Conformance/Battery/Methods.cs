using LowRankTraining.Adapters;
using LowRankTraining.Rules;
using LowRankTraining.Strategies;
using Xunit;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every strategy of the library, small enough for a test, and what the battery has to know about it.</summary>
public static class Methods
{
    /// <summary>Refresh or restart period that all of them are given.</summary>
    public const int Period = 5;

    /// <summary>Low enough that the moments of the battery's small matrices are quantised, and high enough that its biases are not.</summary>
    private const int Quantised = 32;

    public static readonly IReadOnlyDictionary<string, Func<int, ILowRankStrategy>> ByName = new Dictionary<string, Func<int, ILowRankStrategy>>
    {
        ["galore"] = rank => new GaLoreStrategy(new GaLoreOptions { Rank = rank, RefreshEvery = Period, Scale = 1 }),
        ["galore, staggered"] = rank => new GaLoreStrategy(new GaLoreOptions { Rank = rank, RefreshEvery = Period, Scale = 1, Staggered = true }),
        ["galore, 8-bit states"] = rank => GaLore(rank, StateFormat.Blockwise8Bit with { Threshold = Quantised }),
        ["galore, 4-bit states"] = rank => GaLore(rank, StateFormat.Blockwise4Bit with { Threshold = Quantised }),
        ["q-galore"] = rank => QGaLore(rank, quantizesWeights: true),
        ["q-galore, float weights"] = rank => QGaLore(rank, quantizesWeights: false),
        ["fira"] = rank => new FiraStrategy(new FiraOptions { Rank = rank, RefreshEvery = Period, Scale = 1 }),
        ["fira, reference code"] = rank => new FiraStrategy(new FiraOptions { Rank = rank, RefreshEvery = Period, Compatibility = Compatibility.ReferenceCode }),
        ["fira, RMSProp"] = rank => new FiraStrategy(new FiraOptions { Rank = rank, RefreshEvery = Period, Scale = 1, Inner = FiraInner.RMSProp }),
        ["relora"] = rank => ReLoRA(rank, Injection.Replace),
        ["relora, hook"] = rank => ReLoRA(rank, Injection.Hook),
        ["relora, shadow"] = rank => ReLoRA(rank, Injection.Shadow),
        ["relora, falling rank"] = rank => new ReLoRAStrategy(new() { Rank = rank, Alpha = rank, MergeEvery = 2 * Period, RankDecay = 0.5, ResetStepCounter = false }),
        ["relora, warm start"] = rank => new ReLoRAStrategy(new() { Rank = rank, Alpha = rank, MergeEvery = Period, WarmStartSteps = Period - 1 }),
        ["lora"] = rank => new LoRAStrategy(new() { Rank = rank, Alpha = rank }),
    };

    public static TheoryData<string> All => [.. ByName.Keys];

    private static GaLoreStrategy GaLore(int rank, StateFormat states) => new(new() { Rank = rank, RefreshEvery = Period, Scale = 1, States = states });

    private static QGaLoreStrategy QGaLore(int rank, bool quantizesWeights) => new(new()
    {
        Rank = rank,
        RefreshEvery = Period,
        Scale = 1,
        RememberedSimilarities = 1,
        BasisFormat = StateFormat.Affine4Bit with { Threshold = Quantised },
        States = StateFormat.Blockwise8Bit with { Threshold = Quantised },
        QuantizesWeights = quantizesWeights,
    });

    private static ReLoRAStrategy ReLoRA(int rank, Injection injection) => new(new() { Rank = rank, Alpha = rank, MergeEvery = Period, Injection = injection });

    public static ILowRankStrategy Make(string name, int rank = 4) => ByName[name](rank);
}
