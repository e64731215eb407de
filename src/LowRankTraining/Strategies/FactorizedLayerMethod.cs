namespace LowRankTraining.Strategies;

/// <summary>What the methods that put factors in the place of weights have in common. Of the inherited options <see cref="Alpha"/>,
/// <see cref="WeightSpaceMethod.RankStabilized"/> and <see cref="WeightSpaceMethod.Dropout"/> mean nothing to them and are refused.</summary>
public abstract record FactorizedLayerMethod : WeightSpaceMethod
{
    /// <value>The product of the factors has no scale: 1.</value>
    public sealed override double Alpha { get; init; } = 1;

    /// <summary>Makes the layer that takes the place of a linear one.</summary>
    /// <param name="weight">The qualified name of its weight.</param>
    /// <param name="plain">The linear layer, which comes back with <see cref="ReparameterizedLinear.EffectiveWeight"/> in the end. A weight that the layer
    /// does not register as its own <c>weight</c> gives its memory back until then.</param>
    /// <param name="rank">The rank, at most the short side of the weight.</param>
    /// <param name="key">A seed for whatever is drawn.</param>
    protected abstract ReparameterizedLinear LayerFor(string weight, Linear plain, int rank, ulong key);

    /// <value>Ranks by name; null for the same everywhere.</value>
    private protected virtual RankAllocation? RanksByName => null;

    /// <value>Steps from one decomposition of the factors' product to the next; null for none.</value>
    private protected virtual long? StepsToRefactoring => null;

    private protected override AdapterMethod Method => new ReplacingMethod(Settings, LayerFor) { Ranks = RanksByName, RefactorEvery = StepsToRefactoring };

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
