namespace LowRankTraining.Parts;

/// <summary>A factor on β₁ that falls along half a cosine, so that momentum decays faster late in training.</summary>
/// <remarks>s(t) = f + (1 − f) (1 + cos(πt / (N + 1))) / 2 with f = <see cref="Final"/> and N = <see cref="TotalSteps"/>; f from then on. Source: the authors'
/// code of Stable-SPAM, arXiv 2502.17055.</remarks>
public sealed record MomentumSchedule : IPart
{
    /// <value>N, updates over which the factor falls; at least 1.</value>
    public required long TotalSteps { get; init; }

    /// <value>The factor that remains, in (0, 1]. Default 0.5 (Stable-SPAM).</value>
    public double Final { get; init; } = 0.5;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(1, TotalSteps)
        .Require(Final is > 0 and <= 1, FormattableString.Invariant($"{checks.PathOf(nameof(Final))} is {Final}: it must be above 0 and at most 1."));

    /// <summary>The factor of update <paramref name="t"/>; the first is 1.</summary>
    public double Factor(long t) => t > TotalSteps ? Final : Final + (1 - Final) * (1 + Math.Cos(Math.PI * t / (TotalSteps + 1.0))) / 2;
}
