namespace LowRankTraining.Layers;

/// <summary>A matrix of the model that a method has not adapted.</summary>
/// <param name="Name">The weight's qualified name.</param>
/// <param name="Reason">Why not.</param>
public sealed record LeftOutMatrix(string Name, string Reason)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}: left out ({Reason})";
}
