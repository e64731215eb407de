using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>The ranges of parts that are handed in ready-made: policies and bases check nothing themselves.</summary>
internal static class PartsValidation
{
    /// <summary>The numbers of a refresh policy.</summary>
    public static OptionsRules Obey(this OptionsRules rules, IRefreshPolicy? refresh) => refresh switch
    {
        PeriodicRefresh periodic => rules.AtLeast(1, periodic.Every, "Every of PeriodicRefresh"),
        StaggeredRefresh staggered => rules.AtLeast(1, staggered.Every, "Every of StaggeredRefresh"),
        LazyRefresh lazy => rules
            .AtLeast(1, lazy.Every, "Every of LazyRefresh")
            .Above(0, lazy.Threshold, "Threshold of LazyRefresh")
            .Above(1, lazy.Growth, "Growth of LazyRefresh")
            .AtLeast(1, lazy.Remembered, "Remembered of LazyRefresh"),
        EnergyRefresh energy => rules
            .Share(energy.Least, "Least of EnergyRefresh")
            .AtLeast(1, energy.LookEvery, "LookEvery of EnergyRefresh")
            .AtLeast(1, energy.AtLeast, "AtLeast of EnergyRefresh")
            .AtLeast(energy.AtLeast, energy.AtMost, "AtMost of EnergyRefresh"),
        PathEfficiencyRefresh path => rules
            .Share(path.Least, "Least of PathEfficiencyRefresh")
            .AtLeast(1, path.LookEvery, "LookEvery of PathEfficiencyRefresh"),
        _ => rules,
    };

    /// <summary>The numbers of a guard.</summary>
    public static OptionsRules Obey(this OptionsRules rules, ISpikeGuard? guard) => guard switch
    {
        SpikeGuard spike => rules
            .Above(0, spike.Threshold, "Threshold of SpikeGuard")
            .AtLeast(0, spike.ResetEvery, "ResetEvery of SpikeGuard")
            .AtLeast(0, spike.WarmupAfterReset, "WarmupAfterReset of SpikeGuard")
            .AtLeast(0, spike.ClipStart, "ClipStart of SpikeGuard"),
        StabilityGuard stability => rules
            .Fraction(stability.ClipDecay, "ClipDecay of StabilityGuard")
            .Fraction(stability.NormDecay, "NormDecay of StabilityGuard")
            .Fraction(stability.SquaredNormDecay, "SquaredNormDecay of StabilityGuard")
            .Above(0, stability.Epsilon, "Epsilon of StabilityGuard")
            .AtLeast(0, stability.ResetEvery, "ResetEvery of StabilityGuard"),
        _ => rules,
    };

    /// <summary>The numbers of a recipe, and of the parts that it is made of.</summary>
    public static OptionsRules Obey(this OptionsRules rules, SubspaceRule recipe) => rules
        .AtLeast(1, recipe.Rank, nameof(SubspaceRule.Rank))
        .Require(recipe.Density is null or (> 0 and <= 1), FormattableString.Invariant($"Density is {recipe.Density}: it must be above 0 and at most 1."))
        .Obey(recipe.Refresh)
        .Obey(recipe.Basis)
        .Obey(recipe.Guard);

    /// <summary>The numbers of a basis, and of those within it.</summary>
    public static OptionsRules Obey(this OptionsRules rules, IBasis? basis)
    {
        for (var part = basis; part is not null; part = part.Within)
            rules.ObeyItself(part);
        return rules;
    }

    private static OptionsRules ObeyItself(this OptionsRules rules, IBasis basis) => basis switch
    {
        RandomizedSvdBasis randomized => rules
            .AtLeast(0, randomized.Oversampling, "Oversampling of RandomizedSvdBasis")
            .AtLeast(0, randomized.PowerIterations, "PowerIterations of RandomizedSvdBasis"),
        AdaptiveRankBasis adaptive => rules
            .Share(adaptive.Outside, "Outside of AdaptiveRankBasis")
            .AtLeast(1, adaptive.MinRank, "MinRank of AdaptiveRankBasis")
            .AtLeast(1, adaptive.Multiple, "Multiple of AdaptiveRankBasis")
            .AtLeast(1, adaptive.Block, "Block of AdaptiveRankBasis")
            .AtLeast(0, adaptive.Hysteresis, "Hysteresis of AdaptiveRankBasis"),
        GrassmannBasis grassmann => rules.Above(0, grassmann.StepSize, "StepSize of GrassmannBasis"),
        MomentumMix mix => rules.Fraction(mix.Share, "Share of MomentumMix"),
        _ => rules,
    };

    private static OptionsRules Share(this OptionsRules rules, double value, string option) =>
        rules.Require(value is > 0 and < 1, FormattableString.Invariant($"{option} is {value}: it must be above 0 and below 1."));
}
