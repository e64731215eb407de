namespace LowRankTraining.Layers;

/// <summary>How one matrix was adapted.</summary>
/// <param name="Name">The weight's qualified name.</param>
/// <param name="Injection">How its factors entered the model.</param>
/// <param name="Rank">Their rank now.</param>
/// <param name="Reason">Why this way was chosen.</param>
public sealed record AdaptedLayer(string Name, Injection Injection, long Rank, string Reason)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Injection}, rank {Rank} ({Reason})";
}
