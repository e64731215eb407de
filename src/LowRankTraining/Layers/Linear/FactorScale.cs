namespace LowRankTraining.Layers;

/// <summary>The scale s of the product of two factors: α/r, or α/√r where it is rank-stabilized (rsLoRA).</summary>
internal static class FactorScale
{
    /// <summary>s for factors of a rank.</summary>
    public static double Of(double alpha, long rank, bool stabilized) => alpha / Divisor(rank, stabilized);

    /// <summary>α for a scale, freed of the rounding that the division has left in it.</summary>
    public static double AlphaOf(double scale, long rank, bool stabilized)
    {
        var (alpha, whole) = (scale * Divisor(rank, stabilized), Math.Round(scale * Divisor(rank, stabilized)));
        return Math.Abs(alpha - whole) < 1e-9 * Math.Abs(alpha) ? whole : alpha;
    }

    private static double Divisor(long rank, bool stabilized) => stabilized ? Math.Sqrt(rank) : rank;
}
