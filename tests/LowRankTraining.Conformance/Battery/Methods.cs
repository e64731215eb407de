using LowRankTraining.Strategies;
using Xunit;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every strategy of the library, small enough for a test, and what the battery has to know about it.</summary>
public static class Methods
{
    /// <summary>Refresh or restart period that all of them are given.</summary>
    public const int Period = 5;

    public static readonly IReadOnlyDictionary<string, Func<int, ILowRankStrategy>> ByName = new Dictionary<string, Func<int, ILowRankStrategy>>
    {
        ["galore"] = rank => new GaLoreStrategy(new GaLoreOptions { Rank = rank, RefreshEvery = Period, Scale = 1 }),
        ["galore, staggered"] = rank => new GaLoreStrategy(new GaLoreOptions { Rank = rank, RefreshEvery = Period, Scale = 1, Staggered = true }),
        ["fira"] = rank => new FiraStrategy(new FiraOptions { Rank = rank, RefreshEvery = Period, Scale = 1 }),
        ["fira, reference code"] = rank => new FiraStrategy(new FiraOptions { Rank = rank, RefreshEvery = Period, Compatibility = Compatibility.ReferenceCode }),
        ["fira, RMSProp"] = rank => new FiraStrategy(new FiraOptions { Rank = rank, RefreshEvery = Period, Scale = 1, Inner = FiraInner.RMSProp }),
    };

    public static TheoryData<string> All => [.. ByName.Keys];

    public static ILowRankStrategy Make(string name, int rank = 4) => ByName[name](rank);
}
