namespace LowRankTraining.Layers;

/// <summary>What becomes of the weight that a matrix has when it is re-parameterized.</summary>
public enum WeightStart
{
    /// <summary>It is discarded, and the parts are drawn: training starts from scratch.</summary>
    Fresh,

    /// <summary>The parts come as near to it as they can: factors are its truncated SVD, and a sparse part what that leaves on its support. What the model
    /// computes changes by what is lost.</summary>
    FromWeight,
}
