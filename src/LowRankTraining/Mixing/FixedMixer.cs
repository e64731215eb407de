using System.Globalization;

namespace LowRankTraining.Mixing;

/// <summary>Draws from the sources in proportions that do not change: what a mixer that learns is to be measured against.</summary>
public sealed class FixedMixer : DataMixer
{
    private readonly double[] _probabilities;

    /// <summary>Mixes <paramref name="sources"/>.</summary>
    /// <param name="sources">At least two names, all different.</param>
    /// <param name="proportions">One number for each source, at least 0, in any unit; equal parts when null.</param>
    /// <param name="seed">Of the draws.</param>
    /// <exception cref="ArgumentException">Too few sources, names that are empty or the same, or proportions that do not fit them.</exception>
    public FixedMixer(IEnumerable<string> sources, IReadOnlyList<double>? proportions = null, ulong seed = 0) : base(sources, seed)
    {
        var parts = proportions ?? [.. Enumerable.Repeat(1.0, Sources.Count)];
        if (parts.Count != Sources.Count)
            throw new ArgumentException($"There are {Sources.Count} sources and {parts.Count} proportions: give one for each.", nameof(proportions));
        if (parts.Any(part => !double.IsFinite(part) || part < 0) || parts.Sum() <= 0)
            throw new ArgumentException("Proportions must be finite, at least 0, and not all 0.", nameof(proportions));

        _probabilities = [.. parts.Select(part => part / parts.Sum())];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<double> Probabilities => _probabilities;

    private protected override string Layout =>
        "fixed proportions "
        + $"({string.Join(", ", Sources.Zip(_probabilities, (source, part) => string.Create(CultureInfo.InvariantCulture, $"{source} {part:R}")))})";
}
