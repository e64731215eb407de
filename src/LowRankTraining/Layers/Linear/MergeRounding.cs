namespace LowRankTraining.Layers;

/// <summary>How a merged weight is rounded to the format that it is kept in. A float32 or float64 weight takes the sum as it is.</summary>
public enum MergeRounding
{
    /// <summary>To one of the two neighbors, at random, so that the expected value is exact: no change is too small to survive.</summary>
    Stochastic,

    /// <summary>To the nearest, and what that loses starts the next factors: B and A are the leading singular vectors of the loss instead of zero and random.
    /// The model computes what it computed before but for the part of the loss above the rank.</summary>
    CarryResidual,

    /// <summary>To the nearest, and the rest is lost. A weight that sits on its code points then ignores every
    /// change below half a step, which is most of them.</summary>
    Nearest,
}
