namespace LowRankTraining.Layers;

/// <summary>Factors in a layer of another kind than the usual one.</summary>
internal sealed class CustomLayer(Func<Linear, int, double, ulong, FactorLayer> make) : FactorFeature
{
    /// <value>The weight's gradient is that of the merged weight, whose parts could be told from each other only with the frozen weight kept beside it.</value>
    public override bool AllowsShadow => false;

    public override FactorLayer? Layer(Linear plain, Injection way, FactorSettings settings, int rank, ulong key) => make(plain, rank, settings.Scale, key);
}
