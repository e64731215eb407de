namespace LowRankTraining.Parts;

/// <summary>Shields a rule from gradient spikes: looks at each gradient before the rule does.</summary>
public interface ISpikeGuard : IPart
{
    /// <summary>Cuts or scales a gradient, and resets the rule's moments where that is due.</summary>
    /// <param name="gradient">A gradient that has been accepted. Not to be changed: it may be the parameter's own.</param>
    /// <param name="rule">The rule that is shielded.</param>
    /// <param name="state">The parameter's memory; the guard keeps its own tensors and counters in it.</param>
    /// <param name="step">The step.</param>
    /// <returns>The gradient that the rule sees, the given one or a temporary of the current dispose scope, and a factor on the rule's step, in
    /// [0, 1].</returns>
    (Tensor Gradient, double Factor) Apply(Tensor gradient, DirectionRule rule, StateBag state, in StepContext step);

    /// <summary>Why the guard cannot shield <paramref name="rule"/>, in a sentence that says what to do; null where it can.</summary>
    string? ObjectionTo(DirectionRule rule) => null;

    /// <value>What the guard itself keeps for one parameter. Default: nothing.</value>
    IEnumerable<StateSlot> Slots => [];
}
