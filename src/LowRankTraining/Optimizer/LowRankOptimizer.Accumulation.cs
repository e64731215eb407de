namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
    /// <summary>Takes the gradients of a micro-batch into the optimizer, in the low-rank space where that is possible, and frees them.</summary>
    /// <remarks>
    /// <para>Call it after every backward pass of an accumulation window (for the last one <see cref="step"/> alone
    /// does), in place of letting full gradients add up:</para>
    /// <code>
    /// optimizer.zero_grad();
    /// foreach (var microBatch in window) { (Loss(model, microBatch) / window.Length).backward(); optimizer.accumulate(); }
    /// optimizer.step();
    /// </code>
    /// <para>While a subspace is fixed this equals full accumulation but for rounding, at rank · l numbers per matrix instead of s · l. Parameters that are not
    /// projected, methods that need the whole gradient, and windows that end with a refresh go on accumulating in full: their gradients stay where they are.
    /// All that has been accumulated is saved with the state, also the gradients that stay where they are: a run that is saved within a window goes on within
    /// it. <see cref="zero_grad"/> drops it.</para>
    /// </remarks>
    /// <returns>How many gradients were taken in and freed.</returns>
    public int accumulate()
    {
        RequireLiveParameters();
        RequireGradientsHeld(nameof(accumulate), "Call step() after every backward pass, or attach with another flow.");
        Window.RequireUnscaled();
        using var guard = no_grad();
        if (_replicas is { HasLanes: true })
            return _replicas.TakeLane();

        _replicas?.RequireNotReduced();
        Window.Begin();
        var taken = Window.TakeIn();
        Window.Trace();
        return taken;
    }

    /// <summary>Zeroes every gradient, and drops what <see cref="accumulate"/> has taken. Gradients that the backward pass takes are freed: with one of zeros
    /// there, the next would count as a part of it.</summary>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made.</exception>
    public override void zero_grad()
    {
        RequireLiveParameters();
        foreach (var entry in _entries)
            entry.ClearGradient();
        base.zero_grad();
        DropWindow();
    }
}
