namespace LanguageModel.Training;

/// <summary>The mixture at a step.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Sources">Each source's part.</param>
public sealed record MixturePoint(long Step, IReadOnlyList<SourcePoint> Sources);

/// <summary>A source at a step.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Probability">With which the next batch comes from it.</param>
/// <param name="Batches">Batches trained on so far.</param>
/// <param name="Reward">Its average reward; null where the mixer has none.</param>
/// <param name="ValidationLoss">On the source's own validation text, nats per token.</param>
public sealed record SourcePoint(string Source, double Probability, long Batches, double? Reward, double ValidationLoss);
