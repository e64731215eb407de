namespace LowRankTraining;

/// <summary>What one parameter takes while it is trained, in bytes.</summary>
/// <param name="Name">Its qualified name.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="WeightBytes">The weight itself, as it is stored, with the positions of sparse values.</param>
/// <param name="GradientBytes">What is held of its gradient until the step: all of it in the weight's dtype; under <see cref="GradientFlow.Projected"/> what a
/// projecting rule sums up, in float32, or in float64 for a float64 weight; under <see cref="GradientFlow.Stepped"/> nothing.</param>
/// <param name="StateBytes">Optimizer state between steps; see <see cref="Parts.UpdateRule.BytesFor(IReadOnlyList{long})"/>. At the
/// most, where a rule changes its state on the way.</param>
/// <param name="AdamWBytes">What AdamW would keep: two moments in float32, or in float64 for a float64 weight.</param>
/// <param name="Layout">How the rule lays out its state.</param>
public sealed record ParameterMemory(
    string Name, IReadOnlyList<long> Shape, long WeightBytes, long GradientBytes, long StateBytes, long AdamWBytes, string Layout)
{
    /// <value>What is there in passing in the backward pass: the gradient that arises, and the copies of an update that does not wait for the step.</value>
    internal long BackwardBytes { get; init; }

    /// <value>Copies that its update in the step needs.</value>
    internal long UpdateBytes { get; init; }

    /// <value>Whether one of several processes has its state and takes its steps for all.</value>
    internal bool IsDivided { get; init; }

    /// <value>Whether its gradient is freed by its update, and not by the program.</value>
    internal bool IsSummed { get; init; }

    /// <summary>What it takes in a process where neither its state is nor its steps are taken.</summary>
    internal ParameterMemory Elsewhere() => this with { StateBytes = 0, UpdateBytes = 0, Layout = "in another process" };
}
