namespace LowRankTraining.Layers;

/// <summary>What factors start from.</summary>
public enum FactorizedInit
{
    /// <summary>The weight that is there: U = U_k √Σ_k and V = √Σ_k V_kᵀ of its singular value decomposition.</summary>
    TruncatedSvd,

    /// <summary>Normal numbers, such that entries of the product have the variance 1 / (m + n). What the weight was is lost.</summary>
    Random,
}
