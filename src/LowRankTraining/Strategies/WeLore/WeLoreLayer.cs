namespace LowRankTraining.Strategies;

/// <summary>What WeLore makes of one matrix.</summary>
/// <param name="Name">The weight's qualified name.</param>
/// <param name="Rows">m.</param>
/// <param name="Columns">n, out × rest for more than two dimensions.</param>
/// <param name="Spectrum">Its singular values.</param>
/// <param name="Reduction">How many of them are taken away.</param>
/// <param name="Choice">The rule for what becomes factors.</param>
/// <param name="MinRatio">The share that has to go for that, where it is the rule.</param>
public sealed record WeLoreLayer(string Name, long Rows, long Columns, Spectrum Spectrum, int Reduction, WeLoreChoice Choice, double MinRatio)
{
    /// <value>k, the rank that is left: never below 1, since the largest singular value stays.</value>
    public int Rank => Spectrum.Values.Count - Reduction;

    /// <value>Whether the matrix is a low-rank component (LRC), to be replaced by factors and trained.</value>
    public bool IsLowRank => Choice == WeLoreChoice.BreakEven ? Rank * (Rows + Columns) < ParametersBefore : Reduction >= MinRatio * Spectrum.Values.Count;

    /// <value>The share of Σ σ² that is left.</value>
    public double Energy => Spectrum.EnergyWithin(Rank);

    /// <value>m n.</value>
    public long ParametersBefore => Rows * Columns;

    /// <value>k (m + n) for a low-rank component, m n for the others.</value>
    public long ParametersAfter => IsLowRank ? Rank * (Rows + Columns) : ParametersBefore;
}

/// <summary>Which matrices become factors.</summary>
public enum WeLoreChoice
{
    /// <summary>Those that lose at least a given share of their singular values: WeLore's rule.</summary>
    MinRatio,

    /// <summary>Those whose factors are smaller than the matrix: k below m n / (m + n).</summary>
    BreakEven,
}
