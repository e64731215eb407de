namespace LowRankTraining.Strategies;

/// <summary>The singular values of a matrix, and how they compare with the largest.</summary>
/// <remarks>σ̂ = (σ − σ_min) / (σ_max − σ_min), in [0, 1]. Where all are equal none is small beside another: σ̂ = 1 for all of them.</remarks>
public sealed class Spectrum
{
    private readonly double[] _normalized;

    /// <summary>Takes singular values.</summary>
    /// <param name="values">In falling order, at least one.</param>
    /// <exception cref="ArgumentException">There is none, or one that is negative or not finite.</exception>
    public Spectrum(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count == 0 || values.Any(value => !double.IsFinite(value) || value < 0))
            throw new ArgumentException("Singular values are at least one, finite, and not negative.", nameof(values));

        Values = [.. values.OrderDescending()];
        var (largest, range) = (Largest, Largest - Values[^1]);
        _normalized = [.. Values.Select(value => range > largest * 1e-6 ? (value - Values[^1]) / range : 1)];
    }

    /// <value>σ, in falling order.</value>
    public IReadOnlyList<double> Values { get; }

    /// <value>σ̂, in falling order.</value>
    public IReadOnlyList<double> Normalized => _normalized;

    /// <value>The largest singular value.</value>
    public double Largest => Values[0];

    /// <value>The singular value in the middle.</value>
    public double Median => Values[Values.Count / 2];

    /// <summary>The singular values of a matrix.</summary>
    /// <param name="matrix">m × n; half precision is computed in float32.</param>
    public static Spectrum Of(Tensor matrix)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return new([.. linalg.svdvals(matrix.Widened()).cpu().to(ScalarType.Float64).data<double>()]);
    }

    /// <summary>How many σ̂ are below a threshold.</summary>
    public int Below(double threshold)
    {
        var (low, high) = (0, _normalized.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _normalized[middle] < threshold ? (low, middle) : (middle + 1, high);
        }

        return _normalized.Length - low;
    }

    /// <summary>Σ σ² over the first <paramref name="rank"/> of them, as a share of all; 1 where all are zero.</summary>
    public double EnergyWithin(int rank)
    {
        var all = Values.Sum(value => value * value);
        return all == 0 ? 1 : Values.Take(rank).Sum(value => value * value) / all;
    }
}
