namespace LowRankTraining;

/// <content>Gradients of a loss that was multiplied by a number.</content>
public sealed partial class LowRankOptimizer
{
    /// <summary>Drops what waits, in place of a step.</summary>
    internal void LeaveOut()
    {
        zero_grad();
        using var guard = no_grad();
        Session.LeaveOut(this);
        LeftOutLast = true;
    }

    /// <summary>Divides what waits for the step: what has been accumulated now, gradients when they are used, in computing precision.</summary>
    internal void DivideGradients(double divisor)
    {
        RequireLiveParameters();
        RequireGradientsHeld(nameof(LossScaler), $"Attach with {nameof(GradientFlow)}.{GradientFlow.Projected} or {GradientFlow.Whole}.");
        if (Window.IsDivided)
            throw new InvalidOperationException("The gradients have been unscaled already since the last step: call unscale_ once, after the last backward "
                + "pass of the window. Nothing was changed.");

        using var guard = no_grad();
        var hasLanes = _replicas is { HasLanes: true };
        if (hasLanes)
            _replicas!.TakeIn();
        Window.Divide(divisor, isAllTaken: hasLanes);
    }

    /// <summary>Whether all that waits for the step is finite, on every process.</summary>
    internal bool HasFiniteGradients()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var waiting = _entries.Where(entry => entry.Parameter.requires_grad)
            .SelectMany(entry => entry.Taken.Append(entry.DenseGradient())).OfType<Tensor>().ToArray();
        var isFinite = LocalTokens == 0 || waiting.Length == 0 || !GradientCheck.JudgeAll(waiting).Contains(GradientVerdict.NonFinite);
        return _replicas?.All(isFinite) ?? isFinite;
    }
}
