using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
    private static readonly StateSlot PendingGradient = new("pending_gradient");

    private bool _isWithinWindow;

    /// <value>Whether gradients wait for a step that the program may come to in another process: it has accumulated some, or the backward pass has.</value>
    private bool HasOpenWindow => _isWithinWindow || _entries.Any(entry => AccumulatedIn(entry) is not null);

    /// <summary>Takes the gradients of a micro-batch into the optimizer, in the low-rank space where that is possible, and frees them.</summary>
    /// <remarks>
    /// <para>Call it after every backward pass of an accumulation window (for the last one <see cref="step"/> alone
    /// does), in place of letting full gradients add up:</para>
    /// <code>
    /// optimizer.zero_grad();
    /// foreach (var microBatch in window) { (Loss(model, microBatch) / window.Length).backward(); optimizer.accumulate(); }
    /// optimizer.step();
    /// </code>
    /// <para>While a subspace is fixed this equals full accumulation but for rounding, at rank · l numbers a matrix instead of s · l. Parameters that are not
    /// projected, methods that need the whole gradient, and windows that end with a refresh go on accumulating in full: their gradients stay where they are.
    /// All that has been accumulated is saved with the state, also the gradients that stay where they are: a run that is saved within a window goes on within
    /// it. <see cref="zero_grad"/> drops it.</para>
    /// </remarks>
    /// <returns>How many gradients were taken in and freed.</returns>
    public int accumulate()
    {
        RequireLiveParameters();
        RequireGradientsHeld(nameof(accumulate), "Call step() after every backward pass, or attach with another flow.");
        RequireUnscaled();
        using var guard = no_grad();

        if (LanesHere > 1)
            return TakeLane();
        RequireNotReduced();

        _traces.Clear();
        _isWithinWindow = true;
        var taken = 0;
        foreach (var entry in _entries)
        {
            using var gradient = entry.Parameter.requires_grad ? DenseGradient(entry) : null;
            if (gradient is null)
                continue;

            using var scope = NewDisposeScope();
            if (!entry.Plan.Rule.TryAccumulate(Ready(gradient), entry.Bag, ContextFor(entry)))
                continue;

            entry.Parameter.grad = null;
            taken++;
            ChangeSinceSent(entry);
        }

        if (_entries.Any(entry => AccumulatedIn(entry) is not null))
            TraceGradients();
        return taken;
    }

    private void TraceGradients()
    {
        foreach (var entry in _entries)
        {
            using var gradient = DenseGradient(entry);
            if (gradient is not null)
                _traces.Add(gradient);
        }
    }

    /// <summary>A gradient as rules take it: in computing precision, row by row. That of a weight in another layout has that layout.</summary>
    private Tensor Ready(Tensor gradient)
    {
        var ready = gradient.Widened().Packed();
        return _divisor == 1 ? ready : ready.div(_divisor);
    }

    /// <summary>The gradient as it stands, or null. A sparse one, as embeddings can have, gets all of its rows first: rules look at whole matrices.</summary>
    private static Tensor? DenseGradient(ParameterState entry)
    {
        var gradient = entry.Parameter.grad;
        if (gradient is not { is_sparse: true })
            return gradient;

        using (gradient)
        using (var dense = gradient.to_dense())
            entry.Parameter.grad = dense;
        return entry.Parameter.grad;
    }

    /// <summary>The gradient to be written to, or null. One that shows a number in several places, as <c>expand</c> makes it, gets memory for each
    /// first.</summary>
    private static Tensor? WritableGradient(ParameterState entry)
    {
        var gradient = entry.Parameter.grad;
        if (gradient is null || gradient.is_sparse || !gradient.stride().Zip(gradient.shape).Any(axis => axis is { First: 0, Second: > 1 }))
            return gradient;

        using (gradient)
        using (var own = gradient.contiguous())
            entry.Parameter.grad = own;
        return entry.Parameter.grad;
    }

    /// <summary>Zeroes every gradient, and drops what <see cref="accumulate"/> has taken.</summary>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made.</exception>
    public override void zero_grad()
    {
        RequireLiveParameters();
        foreach (var entry in _entries)
            WritableGradient(entry)?.Dispose();
        base.zero_grad();
        DropAccumulated();
    }

    private void DropAccumulated()
    {
        _traces.Clear();
        (_isWithinWindow, _divisor, IsDivided) = (false, 1, false);
        StartWindow();
        foreach (var entry in _entries)
        {
            entry.IsUpdated = false;
            entry.Plan.Sink?.ExpectNothing();
            entry.Plan.Rule.DropAccumulated(entry.Bag);
        }
    }

    /// <summary>Shows the states with what an open window has left in the gradients.</summary>
    private void WithPendingGradients(Action use)
    {
        try
        {
            foreach (var entry in HasOpenWindow ? _entries : [])
                if (DenseGradient(entry) is { } gradient)
                    entry.Bag.Set(PendingGradient, gradient);
            use();
        }
        finally
        {
            foreach (var entry in _entries)
                entry.Bag.Remove(PendingGradient);
        }
    }

    /// <summary>Puts back what an open window had left in the gradients when the state was saved.</summary>
    private void ResumeWindow()
    {
        _isWithinWindow = false;
        foreach (var entry in _entries)
        {
            _isWithinWindow |= AccumulatedIn(entry) is not null;
            if (!entry.Bag.TryGet(PendingGradient, out var gradient))
                continue;

            _isWithinWindow = true;
            entry.Parameter.grad = gradient;
            entry.Bag.Remove(PendingGradient);
        }
    }

    /// <summary>What of the gradient of this step has not been accumulated; null where there is nothing, or where one from before it was frozen is
    /// left.</summary>
    private Tensor? GradientOf(ParameterState entry) => DenseGradient(entry) switch
    {
        null => null,
        var gradient when _divisor == 1 && entry.Plan.Rule.WidensGradients => gradient.Packed(),
        var gradient => Ready(gradient),
    };

    private static Tensor? AccumulatedIn(ParameterState entry) => entry.Plan.Rule.AccumulatedIn(entry.Bag);
}
