namespace LowRankTraining;

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
