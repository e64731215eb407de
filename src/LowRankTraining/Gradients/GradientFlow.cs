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

    /// <summary>As <see cref="Projected"/> where the rule allows it. Of every other linear layer the gradient is formed, the weight updated as soon as it is
    /// complete, and the gradient freed: one layer's at a time. For rules that need the whole gradient, and for the output head. One backward pass a step:
    /// no accumulation; clipping by the norm of the step before (<see cref="LowRankOptimizer.ClipByLastNorm"/>); no loss scaling.</summary>
    Stepped,
}
