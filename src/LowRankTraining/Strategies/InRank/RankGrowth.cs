namespace LowRankTraining.Strategies;

/// <summary>How many of the directions of a product explain it, and how many are trained: InRank's decisions,
/// apart from where the singular values come from.</summary>
/// <param name="FirstModes">c₀.</param>
/// <param name="Buffer">b, directions trained beyond those that are needed.</param>
/// <param name="MaxShare">The most directions that are trained, as a share of the short side.</param>
/// <param name="Threshold">What has to be explained.</param>
/// <param name="Compatibility">The paper's share of energy, or the authors' code's share of the variance of the singular values.</param>
internal sealed record RankGrowth(int FirstModes, int Buffer, double MaxShare, double Threshold, Compatibility Compatibility)
{
    /// <summary>R, at least 1.</summary>
    public long MaxRank(long limit) => Math.Max(1, (long)(MaxShare * limit));

    /// <summary>c₀, at most R.</summary>
    public long ModesAtFirst(long limit) => Math.Min(FirstModes, MaxRank(limit));

    /// <summary>c + b, at most R.</summary>
    public long Active(long modes, long limit) => Math.Min(modes + Buffer, MaxRank(limit));

    /// <summary>What the first <paramref name="count"/> singular values explain, from 0 to 1; 1 where there is nothing to explain.</summary>
    /// <param name="values">Those that are not zero by construction, in falling order.</param>
    /// <param name="count">How many of them.</param>
    /// <param name="limit">The short side of the matrix, and the number of all its singular values.</param>
    public double Explained(IReadOnlyList<double> values, long count, long limit)
    {
        ArgumentNullException.ThrowIfNull(values);
        var rest = values.Skip((int)count);
        var (all, unexplained) = Compatibility == Compatibility.Paper
            ? (Energy(values), Energy(rest))
            : (Variance(values, limit), Variance(rest, limit));
        return all <= 0 ? 1 : 1 - unexplained / all;
    }

    /// <summary>The least number of directions, not below those of before, that explain enough.</summary>
    /// <param name="values">As above, of the c + b directions that are trained.</param>
    /// <param name="modes">c before.</param>
    /// <param name="limit">The short side of the matrix.</param>
    /// <remarks>The authors' code stops b short of R, and one short of c + b; where that leaves nothing to try, c stays (there it is an error).</remarks>
    public long Next(IReadOnlyList<double> values, long modes, long limit)
    {
        var last = Compatibility == Compatibility.Paper ? Active(modes, limit) : Math.Max(modes, Math.Min(modes + Buffer, MaxRank(limit) - Buffer) - 1);
        for (var count = modes; count < last; count++)
            if (Explained(values, count, limit) > Threshold)
                return count;
        return last;
    }

    private static double Energy(IEnumerable<double> values) => values.Sum(value => value * value);

    /// <summary>Over all singular values, those left out being zero.</summary>
    private static double Variance(IEnumerable<double> values, long limit)
    {
        var (sum, squares) = values.Aggregate((Sum: 0.0, Squares: 0.0), (total, value) => (total.Sum + value, total.Squares + value * value));
        return squares / limit - sum / limit * (sum / limit);
    }
}
