namespace LowRankTraining.Strategies;

/// <summary>What WeLore makes of one matrix.</summary>
/// <param name="Name">The weight's qualified name.</param>
/// <param name="Rows">m.</param>
/// <param name="Columns">n, out × rest for more than two dimensions.</param>
/// <param name="Spectrum">Its singular values.</param>
/// <param name="Reduction">How many of them are taken away.</param>
/// <param name="MinRatio">The share that has to go for the matrix to become factors; null where these have to be smaller than the matrix.</param>
public sealed record WeLoreLayer(string Name, long Rows, long Columns, Spectrum Spectrum, int Reduction, double? MinRatio)
{
    /// <value>k, the rank that is left: never below 1, since the largest singular value stays.</value>
    public int Rank => Spectrum.Values.Count - Reduction;

    /// <value>Whether the matrix is a low-rank component (LRC), to be replaced by factors and trained.</value>
    public bool IsLowRank => MinRatio is { } least ? Reduction >= least * Spectrum.Values.Count : Rank * (Rows + Columns) < ParametersBefore;

    /// <value>The share of Σ σ² that is left.</value>
    public double Energy => Spectrum.EnergyWithin(Rank);

    /// <value>m n.</value>
    public long ParametersBefore => Rows * Columns;

    /// <value>k (m + n) for a low-rank component, m n for the others.</value>
    public long ParametersAfter => IsLowRank ? Rank * (Rows + Columns) : ParametersBefore;
}
