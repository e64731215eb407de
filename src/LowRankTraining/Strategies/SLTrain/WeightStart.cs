namespace LowRankTraining.Strategies;

/// <summary>What becomes of the weight that a matrix has when it is re-parameterized.</summary>
public enum WeightStart
{
    /// <summary>It is discarded, and the parts are drawn: training starts from scratch.</summary>
    Fresh,

    /// <summary>The parts come as near to it as they can: its truncated SVD, and what that leaves on the support. What the model computes changes by what is
    /// lost, which <c>Describe()</c> tells.</summary>
    FromWeight,
}
