namespace LowRankTraining;

/// <content>Updates in the backward pass: <see cref="GradientFlow.Stepped"/>.</content>
public sealed partial class LowRankOptimizer
{
    private double? _clipByLastNorm;

    /// <value>Largest norm of all gradients of a step together, where they are clipped by that of the step before: G ← G min(1, largest / (‖·‖ + 1e-6)), in
    /// which ‖·‖ is the unclipped norm at the last step, since that of this one is not known before weights are updated. The first step is not clipped. For
    /// <see cref="GradientFlow.Stepped"/>, under which <see cref="clip_grad_norm_"/> comes too late. The norm is saved with the state. Default: null, nothing
    /// is clipped.</value>
    /// <exception cref="ArgumentOutOfRangeException">Zero, negative or NaN.</exception>
    /// <exception cref="InvalidOperationException">No parameter is updated in the backward pass: <see cref="clip_grad_norm_"/> is exact.</exception>
    public double? ClipByLastNorm
    {
        get => _clipByLastNorm;
        set
        {
            if (value is not (null or > 0))
                throw new ArgumentOutOfRangeException(nameof(value), value, $"{nameof(ClipByLastNorm)} must be a number above 0, or null.");
            if (value is not null && !UpdatesInBackward)
                throw new InvalidOperationException(
                    $"No parameter is updated in the backward pass: call {nameof(clip_grad_norm_)} before each step, which goes by the norm of that step.");
            _clipByLastNorm = value;
        }
    }

    /// <value>Whether weights are updated before <see cref="step"/> is called.</value>
    internal bool UpdatesInBackward => _entries.Any(entry => entry.Plan.StepsInBackward);

    /// <summary>A backward pass has all of a parameter's gradient: it is sent, used or projected where that is not left to the step.</summary>
    /// <param name="entry">The parameter.</param>
    /// <param name="held">Its gradient; null where all of it has been projected.</param>
    /// <returns>Whether the gradient has been taken.</returns>
    internal bool TakeComplete(ParameterState entry, Tensor? held)
    {
        // Those of the other processes are not in it yet.
        if (_replicas is { IsParallel: true } && !entry.Plan.StepsInBackward)
        {
            _replicas.Pass(entry, isProjected: held is null);
            return false;
        }

        using var scope = NewDisposeScope();
        Instruments.Enter(Session.Strategy);
        var isTaken = TryUpdateInBackward(entry) || (held is not null && entry.Plan.Rule.TryTakeWhole(Window.Ready(held), entry.Bag, entry.Context));
        if (isTaken && held is not null)
            Window.Follow();
        return isTaken;
    }

    /// <summary>Updates a parameter whose gradient is complete, where that is not left to the step.</summary>
    private bool TryUpdateInBackward(ParameterState entry)
    {
        if (!entry.Plan.StepsInBackward)
            return false;
        if (entry.IsUpdated)
            throw new InvalidOperationException($"'{entry.Plan.Name}' has a second gradient before step(), and was updated with the first one in the backward "
                + $"pass. {nameof(GradientFlow)}.{GradientFlow.Stepped} takes one backward pass a step, "
                + "in which no layer is computed again for several places (as activation checkpointing does): "
                + $"accumulate under {GradientFlow.Projected} or {GradientFlow.Whole}.");
        if (!_entries.Exists(other => other.IsUpdated))
        {
            RequireLiveParameters();
            RequireUsableGroups();
        }

        using var scope = NewDisposeScope();
        _replicas?.Reduce(entry);
        Window.ClipByLast(entry, _clipByLastNorm);
        Update(entry, StepOf(entry));

        // What was refused is not to be found by the step.
        entry.DropAccumulated();
        entry.IsUpdated = true;
        return true;
    }

    /// <exception cref="InvalidOperationException">Some parameters have been updated in a backward pass, and others wait for the step.</exception>
    private void RequireNotWithinStep(string consequence, string done)
    {
        if (_entries.Exists(entry => entry.IsUpdated))
            throw new InvalidOperationException($"Some weights have been updated in the backward pass and others have not yet, {consequence}: "
                + $"call step() first. Nothing was {done}.");
    }

    /// <exception cref="NotSupportedException">Gradients are used before they can be clipped, scaled or added up.</exception>
    private void RequireGradientsHeld(string what, string instead)
    {
        if (UpdatesInBackward)
            throw new NotSupportedException($"{what} comes too late: under {nameof(GradientFlow)}.{GradientFlow.Stepped} the backward pass has updated "
                + $"'{_entries.Find(entry => entry.Plan.StepsInBackward)!.Plan.Name}' and others already. {instead}");
    }
}
