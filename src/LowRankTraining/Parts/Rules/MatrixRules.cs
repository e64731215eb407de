using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

/// <summary>What rules for the matrices of layers say of everything else.</summary>
internal static class MatrixRules
{
    /// <summary>Refuses a vector.</summary>
    /// <exception cref="ArgumentException">The gradient has fewer than two dimensions.</exception>
    public static void RequireMatrix(this UpdateRule rule, Tensor gradient, in StepContext step)
    {
        if (gradient.dim() < 2)
            throw new ArgumentException(rule.RefusalOf(step.Parameter, "a vector"), nameof(gradient));
    }

    /// <summary>Why a parameter is refused, and what to do.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="parameter">Its name.</param>
    /// <param name="kind">What it is: "a vector".</param>
    public static string RefusalOf(this UpdateRule rule, string parameter, string kind) =>
        $"'{parameter}' is {kind}, and {rule.GetType().Name} is for the matrices of layers: give it another rule, such as {nameof(AdamRule)}.";
}
