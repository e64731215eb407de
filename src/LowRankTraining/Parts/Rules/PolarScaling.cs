namespace LowRankTraining.Parts;

/// <summary>What a polar factor O of m × n is multiplied by, so that one learning rate serves matrices of any shape.</summary>
public enum PolarScaling
{
    /// <summary>0.2 √max(m, n): entries of a root mean square of 0.2, which is about AdamW's, so that AdamW's learning rate and decay serve too.
    /// Liu et al., Muon is Scalable for LLM Training, arXiv 2502.16982, section 2.2.</summary>
    RootMeanSquare,

    /// <summary>√max(1, m/n). Jordan et al., Muon, in the authors' code.</summary>
    AspectRatio,

    /// <summary>√(m/n): the step changes a layer's output by as much as its input is large. Bernstein, Deriving Muon (2025); the default of
    /// microsoft/dion.</summary>
    Spectral,

    /// <summary>1.</summary>
    None,
}

/// <summary>The numbers behind the names.</summary>
internal static class PolarScalings
{
    /// <summary>What the polar factor of a matrix of so many rows and columns is multiplied by.</summary>
    public static double Factor(this PolarScaling scaling, double rows, double columns) => scaling switch
    {
        PolarScaling.RootMeanSquare => 0.2 * Math.Sqrt(Math.Max(rows, columns)),
        PolarScaling.AspectRatio => Math.Sqrt(Math.Max(1, rows / columns)),
        PolarScaling.Spectral => Math.Sqrt(rows / columns),
        _ => 1,
    };
}
