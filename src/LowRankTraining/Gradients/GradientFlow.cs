namespace LowRankTraining;

/// <summary>What becomes of the gradients of matrices in the backward pass.</summary>
/// <remarks>For a layer y = x Wᵀ with δ = ∂L/∂y the weight's gradient is G = δᵀ x, as large as the weight.</remarks>
public enum GradientFlow
{
    /// <summary>They are held until the step, as everywhere.</summary>
    Whole,

    /// <summary>What a rule needs of them is computed in their place, R = PᵀG = (δ P)ᵀ x, and added up: rank · l numbers a matrix, in 2 N rank (m + n)
    /// operations for N rows instead of 2 N m n. Exact but for rounding, with accumulation, clipping and loss scaling. For rules that use nothing but the
    /// projection of a gradient.</summary>
    Projected,
}
