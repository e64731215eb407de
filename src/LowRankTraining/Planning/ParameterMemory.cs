namespace LowRankTraining;

/// <summary>What one parameter takes while it is trained, in bytes.</summary>
/// <param name="Name">Its qualified name.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="WeightBytes">The weight itself, as it is stored, with the positions of sparse values.</param>
/// <param name="GradientBytes">Its whole gradient, in the weight's dtype.</param>
/// <param name="StateBytes">Optimizer state between steps; see <see cref="Parts.UpdateRule.BytesFor"/>. At the
/// most, where a rule changes its state on the way.</param>
/// <param name="AdamWBytes">What AdamW would keep: two moments in float32, or in float64 for a float64 weight.</param>
/// <param name="Layout">How the rule lays out its state.</param>
public sealed record ParameterMemory(
    string Name, IReadOnlyList<long> Shape, long WeightBytes, long GradientBytes, long? StateBytes, long AdamWBytes, string Layout);
