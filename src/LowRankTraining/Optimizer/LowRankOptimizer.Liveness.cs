namespace LowRankTraining;

/// <content>Whether the parameters are still those that the optimizer was made for.</content>
public sealed partial class LowRankOptimizer
{
    private readonly ModelWatch? _watch;
    private long _idle;
    private bool _hasToldOfNothing;

    /// <summary>Refuses to go on where the model, or this, is not what it was. Called by every way in.</summary>
    /// <exception cref="ObjectDisposedException">The optimizer has been disposed.</exception>
    /// <exception cref="InvalidOperationException">The model was moved or disposed.</exception>
    internal void RequireLiveParameters()
    {
        if (_disposed)
            throw new ObjectDisposedException(nameof(LowRankOptimizer),
                "The optimizer has been disposed, and its state with it. Make another one (and load its state).");

        foreach (var entry in _entries)
        {
            if (entry.Parameter.IsInvalid)
                throw new InvalidOperationException($"Parameter '{entry.Plan.Name}' is gone: {FateOf(entry.Plan.Name)}");
            if (entry.WasMoved)
                throw new InvalidOperationException(
                    $"Parameter '{entry.Plan.Name}' has another dtype or device than when the optimizer was made, as model.to(...) gives it. "
                    + "Move the model first, then make the optimizer (and load its state).");
        }
    }

    /// <exception cref="InvalidOperationException">The session is finished, and the state is of what is gone from the model.</exception>
    private void RequireUnfinished(string done)
    {
        if (Session.IsFinished)
            throw new InvalidOperationException("The session is finished: the model is a plain one again, and the optimizer's state is of what is gone from "
                + $"it. Save the model by model.save(path); attach the strategy again to train on. Nothing was {done}.");
    }

    /// <summary>Refuses what a scheduler, or whoever sets the numbers of a group, can make of them: a step with it would cost the weights.</summary>
    /// <exception cref="InvalidOperationException">A rate, decay, β₁ or β₂ of a group is out of range.</exception>
    private void RequireUsableGroups()
    {
        for (var place = 0; place < _parameter_groups.Count; place++)
            if (((ParamGroup)_parameter_groups[place]).Options.Objection is { } objection)
                throw new InvalidOperationException($"Before step {CompletedSteps + 1}, {objection} in group {place} of the optimizer's parameters. "
                    + "Look at the scheduler, which may be past its last step, or at what sets the numbers of the group. Nothing was changed.");
    }

    /// <summary>Warns, once, of a step in which no parameter had anything to go by: the model that runs is perhaps another one.</summary>
    private void TellOfNothing()
    {
        if (_hasToldOfNothing || _idle == 0 || Session.Method?.Logger is not { } logger || _idle < _entries.Count(entry => entry.Parameter.requires_grad))
            return;

        logger.NothingUpdated(Session.Strategy, CompletedSteps + 1);
        _hasToldOfNothing = true;
    }

    /// <summary>What has become of a parameter, as far as the session knows the model.</summary>
    private string FateOf(string name)
    {
        const string moved = "model.to(...), and a weight that is set again, make new parameters and dispose the old ones. "
            + "Move the model first (or set the weight), then make the optimizer (and load its state).";
        return Session.Parameters.Any(plan => plan.Name == name && !plan.Parameter.IsInvalid) ? moved
            : Session.Model is not null ? "the model was disposed. Dispose the model last, or make it and the optimizer again (and load their state)."
            : $"the model was disposed, or moved: {moved}";
    }

    private static void RequireLive(IReadOnlyList<ParameterPlan> plans)
    {
        if (plans.FirstOrDefault(plan => plan.Parameter.IsInvalid) is { } gone)
            throw new InvalidOperationException(
                $"Parameter '{gone.Name}' is gone: model.to(...) makes new parameters and disposes the old ones, "
                + "and the strategy was attached to a list of the old ones. Move the model first, then attach the strategy.");
    }
}
