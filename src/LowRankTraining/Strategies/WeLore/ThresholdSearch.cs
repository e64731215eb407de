namespace LowRankTraining.Strategies;

/// <summary>The one threshold κ on normalized singular values that takes a given share of them away over all matrices.</summary>
internal static class ThresholdSearch
{
    /// <summary>Bisection: the share is a rising staircase in κ. Of both sides of the step that the target falls on, the nearer is taken.</summary>
    public static double For(double target, IReadOnlyList<Spectrum> spectra)
    {
        const int Iterations = 60;
        var (low, high) = (0.0, 1.0);
        for (var iteration = 0; iteration < Iterations; iteration++)
        {
            var middle = (low + high) / 2;
            (low, high) = Share(middle, spectra) < target ? (middle, high) : (low, middle);
        }

        return target - Share(low, spectra) < Share(high, spectra) - target ? low : high;
    }

    /// <summary>Σ #{σ̂ &lt; κ} / Σ min(m, n).</summary>
    public static double Share(double threshold, IReadOnlyList<Spectrum> spectra) =>
        (double)spectra.Sum(spectrum => spectrum.Below(threshold)) / spectra.Sum(spectrum => spectrum.Values.Count);
}
