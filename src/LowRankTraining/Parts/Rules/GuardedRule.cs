namespace LowRankTraining.Parts;

/// <summary>A rule behind a guard.</summary>
public sealed record GuardedRule : DirectionRule
{
    /// <summary>Puts <paramref name="guard"/> before <paramref name="inner"/>.</summary>
    /// <exception cref="ArgumentException">The guard needs a moment that the rule does not keep.</exception>
    public GuardedRule(DirectionRule inner, ISpikeGuard guard)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(guard);
        if (guard.ObjectionTo(inner) is { } objection)
            throw new ArgumentException(objection, nameof(inner));
        (Inner, Guard) = (inner, guard);
    }

    /// <value>The rule.</value>
    public DirectionRule Inner { get; }

    /// <value>Sees every gradient first.</value>
    public ISpikeGuard Guard { get; }

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks.Part(Inner).Part(Guard);

    /// <inheritdoc/>
    public override bool NeedsFixedShape => Inner.NeedsFixedShape;

    /// <inheritdoc/>
    public override bool NeedsMatrix => Inner.NeedsMatrix;

    /// <inheritdoc/>
    public override GuardedRule WithStates(StateFormat states) => new(Inner.WithStates(states), Guard);

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => Inner.Moments;

    /// <inheritdoc/>
    public override (double Beta1, double Beta2)? Betas => Inner.Betas;

    /// <inheritdoc/>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (step.InRange(gradient) is not { } usable)
            return;

        var (guarded, factor) = Guard.Apply(usable, Inner, state, step);
        Inner.AddUpdate(guarded, accumulator, scale * factor, state, step with { Verdict = GradientVerdict.Usable });
    }

    /// <inheritdoc/>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var (guarded, factor) = Guard.Apply(gradient, Inner, state, step);
        var (direction, correction) = Inner.Advance(guarded, state, step);
        return (direction.MoveToOuterDisposeScope(), factor * correction);
    }

    /// <inheritdoc/>
    public override void Reset(StateBag state) => Inner.Reset(state);

    /// <inheritdoc/>
    public override Tensor? RelativeRate(Tensor weight, StateBag state) => Inner.RelativeRate(weight, state);

    /// <inheritdoc/>
    public override string? NoteFor(IReadOnlyList<long> shape) => Inner.NoteFor(shape);

    /// <inheritdoc/>
    public override string LayoutFor(IReadOnlyList<long> shape) => $"{Inner.LayoutFor(shape)} behind {Guard.GetType().Name}";

    /// <inheritdoc/>
    public override string? StepCounter => Inner.StepCounter;

    /// <inheritdoc/>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => [.. Inner.SlotsFor(shape), .. Guard.Slots];
}
