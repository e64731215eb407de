namespace LowRankTraining.Mixing;

/// <summary>A source's part in the mixture.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Probability">With which the next micro-batch is drawn from it.</param>
/// <param name="Draws">Micro-batches drawn from it so far.</param>
/// <param name="Reward">What the mixer thinks it is worth, in the mixer's own units; null where nothing is known.</param>
public readonly record struct SourceShare(string Source, double Probability, long Draws, double? Reward);
