using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <content>Gradients of a loss that was multiplied by a number.</content>
public sealed partial class LowRankOptimizer
{
    /// <value>Whether the last step that a <see cref="LossScaler"/> was asked for was left out.</value>
    internal bool LeftOutLast { get; set; }

    private double _divisor = 1;

    /// <value>Whether the gradients that wait have been divided since the last step.</value>
    internal bool IsDivided { get; private set; }

    /// <summary>Divides what waits for the step: what has been accumulated now, gradients when they are used, in computing precision.</summary>
    internal void DivideGradients(double divisor)
    {
        RequireLiveParameters();
        RequireGradientsHeld(nameof(LossScaler), $"Attach with {nameof(GradientFlow)}.{GradientFlow.Projected} or {GradientFlow.Whole}.");
        if (IsDivided)
            throw new InvalidOperationException("The gradients have been unscaled already since the last step: call unscale_ once, after the last backward "
                + "pass of the window. Nothing was changed.");

        using var guard = no_grad();
        foreach (var entry in _entries)
            AccumulatedIn(entry)?.mul_(1 / divisor);
        (_divisor, IsDivided) = (divisor, true);
    }

    /// <summary>Whether all that waits for the step is finite.</summary>
    internal bool HasFiniteGradients()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var waiting = _entries.Where(entry => entry.Parameter.requires_grad)
            .SelectMany(entry => new[] { DenseGradient(entry), AccumulatedIn(entry) }).OfType<Tensor>().ToArray();
        return waiting.Length == 0 || !GradientCheck.JudgeAll(waiting).Contains(GradientVerdict.NonFinite);
    }
}
