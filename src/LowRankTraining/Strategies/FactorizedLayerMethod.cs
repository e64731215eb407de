using LowRankTraining.Layers;

namespace LowRankTraining.Strategies;

/// <summary>What the methods that put factors in the place of weights have in common. Of the inherited options <see cref="Alpha"/>,
/// <see cref="WeightSpaceMethod.RankStabilized"/> and <see cref="WeightSpaceMethod.Dropout"/> mean nothing to them and are refused.</summary>
public abstract record FactorizedLayerMethod : WeightSpaceMethod
{
    /// <value>The product of the factors has no scale: 1.</value>
    public sealed override double Alpha { get; init; } = 1;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.NoEffect(Alpha != 1, nameof(Alpha), "the factors are multiplied without a scale. Leave it out.")
            .NoEffect(RankStabilized, nameof(RankStabilized), "the factors are multiplied without a scale. Leave it out.")
            .NoEffect(Dropout != 0, nameof(Dropout), "there is no weight beside the factors that would still see the input. Leave it at 0.")
            .Require(Injection is Injection.Auto or Injection.Replace || !Enum.IsDefined(Injection),
                $"{checks.PathOf(nameof(Injection))} is {Injection}, which does not apply: the factors are a layer of their own, in the place of the plain "
                + "one. Use Replace or Auto.");
    }
}
