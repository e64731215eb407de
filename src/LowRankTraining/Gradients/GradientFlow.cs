namespace LowRankTraining;

/// <summary>What becomes of the gradients of matrices in the backward pass.</summary>
/// <remarks>For a layer y = x Wᵀ with δ = ∂L/∂y the weight's gradient is G = δᵀ x, as large as the weight.</remarks>
public enum GradientFlow
{
    /// <summary>They are held until the step, as everywhere.</summary>
    Whole,

    /// <summary>What a rule needs of them is computed in their place, R = PᵀG = (δ P)ᵀ x, and added up: rank · l numbers per matrix, in 2 N rank (m + n)
    /// operations for N rows instead of 2 N m n. Exact but for rounding, with accumulation, clipping and loss scaling. For rules that use nothing but the
    /// projection of a gradient.</summary>
    Projected,

    /// <summary>The weight of every linear layer is updated as soon as its gradient is complete, and the gradient freed: one layer's at a time, which is
    /// projected as in <see cref="Projected"/> where the rule allows it. For every rule, and for the output head too. One backward pass per step: no
    /// accumulation; clipping by the norm of the step before (<see cref="LowRankOptimizer.ClipByLastNorm"/>); no loss scaling.</summary>
    Stepped,
}

/// <summary>Checks of <see cref="GradientFlow"/>.</summary>
internal static class GradientFlows
{
    /// <exception cref="ArgumentException">The value is not one of the flows.</exception>
    public static void RequireDefined(GradientFlow gradients)
    {
        if (!Enum.IsDefined(gradients))
            throw new ArgumentException($"{gradients} is no {nameof(GradientFlow)}: take one of {string.Join(", ", Enum.GetNames<GradientFlow>())}.",
                nameof(gradients));
    }
}
