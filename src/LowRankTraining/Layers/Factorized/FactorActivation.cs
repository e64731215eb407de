namespace LowRankTraining.Layers;

/// <summary>What happens between the two products of a <see cref="FactorizedLinear"/>.</summary>
public enum FactorActivation
{
    /// <summary>Nothing: the layer is linear, and its factors can be multiplied into a plain weight.</summary>
    None,

    /// <summary>x · sigmoid(x).</summary>
    SiLU,

    /// <summary>x · Φ(x).</summary>
    GELU,

    /// <summary>max(x, 0).</summary>
    ReLU,
}
