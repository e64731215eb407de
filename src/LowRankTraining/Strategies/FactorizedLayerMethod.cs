using LowRankTraining.Adapters;

namespace LowRankTraining.Strategies;

/// <summary>What the methods that put factors in the place of weights have in common. Of the inherited options <see cref="Alpha"/>, <see cref="WeightSpaceMethod.RankStabilized"/> and
/// <see cref="WeightSpaceMethod.Dropout"/> mean nothing to them and are refused.</summary>
public abstract record FactorizedLayerMethod : WeightSpaceMethod
{
    /// <value>The product of the factors has no scale: 1.</value>
    public sealed override double Alpha { get; init; } = 1;

    /// <summary>The rules that the options of every such method obey.</summary>
    internal OptionsRules LayerRules() => Rules()
        .Require(Alpha == 1 && !RankStabilized, "Alpha and RankStabilized do not apply: the factors are multiplied without a scale.")
        .Require(Dropout == 0, "Dropout does not apply: there is no weight beside the factors that would still see the input.")
        .Require(Injection is Injection.Auto or Injection.Replace, $"Injection.{Injection} does not apply: the factors are a layer of their own, in the place of the plain one. Use Injection.Replace or Auto.");
}
