using System.Diagnostics;

namespace LowRankTraining.Parts;

/// <summary>How long a refresh takes and what it brings, for whoever listens.</summary>
internal readonly record struct RefreshMeasurement
{
    private readonly long _started;

    private RefreshMeasurement(long started) => _started = started;

    public static RefreshMeasurement Start(Tensor matrix)
    {
        if (!Instruments.RefreshDuration.Enabled)
            return default;
        WaitFor(matrix);
        return new(Stopwatch.GetTimestamp());
    }

    /// <param name="matrix">G; null where only products of it have been seen, which do not tell its energy.</param>
    /// <param name="old">The projection before, or null where there was none.</param>
    /// <param name="fresh">The projection found.</param>
    /// <param name="lowRank">G projected.</param>
    /// <param name="isOrthonormal">Whether bases have orthonormal columns: of others energy and overlap say nothing.</param>
    public void Stop(Tensor? matrix, Projection? old, Projection fresh, Tensor lowRank, bool isOrthonormal)
    {
        if (Instruments.RefreshDuration.Enabled && _started != 0)
        {
            WaitFor(lowRank);
            Instruments.RefreshDuration.Observe(Stopwatch.GetElapsedTime(_started).TotalSeconds);
        }

        using var scope = NewDisposeScope();
        if (Instruments.CapturedEnergy.Enabled && isOrthonormal && matrix is not null)
            Record(Instruments.CapturedEnergy, Energy(lowRank) / Energy(matrix));
        if (Instruments.Overlap.Enabled && isOrthonormal && old is not null)
        {
            Record(Instruments.Overlap, Share(old.LeftOverlapIn(fresh)));
            Record(Instruments.Overlap, Share(old.RightOverlapIn(fresh)));
        }

        if (Instruments.EffectiveRank.Enabled)
            Record(Instruments.EffectiveRank, EffectiveRank(lowRank));
    }

    /// <summary>exp(−Σ pᵢ ln pᵢ), pᵢ = σᵢ / Σ σ (Roy and Vetterli, The effective rank, 2007).</summary>
    internal static double EffectiveRank(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        var exact = matrix.to(ScalarType.Float64);
        var gram = exact.shape[0] <= exact.shape[1] ? exact.mm(exact.t()) : exact.t().mm(exact);
        var singular = linalg.eigvalsh(gram).clamp_min_(0).sqrt_();
        var shares = singular / singular.sum();
        return Math.Exp(-shares.mul(shares.clamp_min(double.Epsilon).log()).sum().ToDouble());
    }

    private static double Energy(Tensor matrix) => Math.Pow(matrix.norm().ToDouble(), 2);

    /// <summary>‖P_oldᵀ P_new‖² / r.</summary>
    private static double Share(Tensor? overlap) =>
        overlap is null ? double.NaN : Energy(overlap) / Math.Min(overlap.shape[0], overlap.shape[1]);

    private static void Record(System.Diagnostics.Metrics.Histogram<double> histogram, double value)
    {
        if (double.IsFinite(value))
            histogram.Observe(value);
    }

    private static void WaitFor(Tensor matrix)
    {
        if (matrix.device_type == DeviceType.CUDA)
            cuda.synchronize(matrix.device);
    }
}
