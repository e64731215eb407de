namespace LowRankTraining.Parts;

/// <summary>A rule whose update can be looked at before it is applied: what runs inside a subspace.</summary>
public abstract record DirectionRule : UpdateRule
{
    /// <value>The moments that the rule keeps in the gradient's shape: what has to follow when the subspace changes.</value>
    public abstract IReadOnlyList<MomentSlot> Moments { get; }

    /// <value>The counter of the updates that its averages hold, by which their bias is corrected; null where there is none. Default: null.</value>
    public virtual string? StepCounter => null;

    /// <value>Whether state beside the moments depends on the gradient's shape, so that a change of rank cannot be followed. Default false.</value>
    public virtual bool NeedsFixedShape => false;

    /// <summary>Advances the state by one gradient and returns the step to take.</summary>
    /// <param name="gradient">A gradient that has been accepted.</param>
    /// <param name="state">The parameter's memory.</param>
    /// <param name="step">The step.</param>
    /// <returns>The update is Correction · Direction. The caller disposes Direction.</returns>
    public abstract (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step);

    /// <summary>The same where nobody looks at the gradient afterwards: Direction may be the gradient itself, overwritten. Default: it is not.</summary>
    public virtual (Tensor Direction, double Correction) AdvanceInPlace(Tensor gradient, StateBag state, in StepContext step) =>
        Advance(gradient, state, step);

    /// <summary>Frees the moments and restarts bias correction. By default the moments and their counter are all there is.</summary>
    public virtual void Reset(StateBag state)
    {
        FreeMoments(state);
        if (StepCounter is { } counter)
            state.SetCounter(counter, 0);
    }

    /// <summary>Frees the moments; whatever counts steps goes on.</summary>
    public void FreeMoments(StateBag state)
    {
        foreach (var slot in Moments)
            slot.Remove(state);
    }

    /// <inheritdoc/>
    public override DirectionRule WithStates(StateFormat states) => this;

    /// <inheritdoc/>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        var (direction, correction) = Advance(gradient, state, step);
        using (direction)
            accumulator.add_(direction, scale * correction);
    }

    /// <inheritdoc/>
    public override string LayoutFor(IReadOnlyList<long> shape) =>
        $"{GetType().Name} ({string.Join(", ", Moments.Select(slot => $"{slot.Name} {slot.Format}"))})";

    /// <inheritdoc/>
    /// <remarks>Default: the moments, and the counter of steps where there is one.</remarks>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) =>
        [.. Moments.SelectMany(moment => moment.SlotsFor(shape)), .. StepCounter is { } counter ? [new StateSlot(counter)] : Array.Empty<StateSlot>()];
}
