using TorchSharp.Modules;

namespace LowRankTraining.Adapters;

/// <summary>What is trained beside one weight.</summary>
/// <param name="Weight">The weight's name.</param>
/// <param name="A">r × n.</param>
/// <param name="B">m × r.</param>
/// <param name="Scale">s.</param>
internal sealed record FactorSet(string Weight, Parameter A, Parameter B, double Scale)
{
    /// <value>m entries, or null where rows have no magnitudes of their own.</value>
    public Parameter? Magnitude { get; init; }

    /// <value>What has left the weight at the start, or null.</value>
    public InitialFactors? Initial { get; init; }

    /// <value>The frozen weight itself.</value>
    public required Parameter Base { get; init; }

    /// <value>Whether the weight has given its memory back, and only its codes are left.</value>
    public bool IsQuantized => Base.NumberOfElements == 0;

    public string Module => NamePattern.ModuleOf(Weight);

    public long Rank => A.shape[0];
}
