namespace LowRankTraining.Mixing;

/// <summary>Where a micro-batch comes from.</summary>
/// <param name="Source">Name of the source.</param>
/// <param name="Index">How many were drawn from this source before: its position, which a resumed run goes on from.</param>
public readonly record struct SourceDraw(string Source, long Index);
