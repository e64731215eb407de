namespace LowRankTraining.Strategies;

/// <summary>SwitchLoRA: trains low-rank factors beside frozen weights, and exchanges their vectors one by one for new ones, so that the sum reaches a high rank
/// without restarts.</summary>
/// <remarks>
/// <para>y = x (W + s B A)ᵀ with s = α/r. Both factors start random and W ← W − s B A, so that the function is the given one. After a step, some rows aᵢ of A
/// are exchanged, and as many columns bⱼ of B: W ← W + s bᵢ (aᵢ − aᵢ′)ᵀ, which keeps the function. The gradient of bᵢ depends on aᵢ, so its moments and its
/// step counter start from zero, and it is held still for a few steps.</para>
/// <para>After t steps ⌊Σ r qᵘ / I⌋ vectors of each factor have been exchanged, in turn.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) + 4 r numbers, beside r (m + n) for the factors. An exchange has no scratch of the size of a float32
/// weight.</para>
/// <para>Differences from the authors' code: candidates are drawn by key when they are needed, where there is a pool of min(m, n) vectors in main memory that
/// takes back what is exchanged; the vectors take turns, and their number is the running sum, where it is rounded at random at each step.</para>
/// <para>Source: Zhou et al., SwitchLoRA, arXiv 2406.06564.</para>
/// </remarks>
public sealed record SwitchLoRA : WeightSpaceMethod
{
    private const double UsualDecay = 0.3;

    /// <inheritdoc/>
    public override string Name => "switchlora";

    /// <value>r: 128, as ReLoRA.</value>
    protected override int DefaultRank => 128;

    /// <value>α, above 0. Default 1 (the authors' code), so s = 1/r; learning rates are then large, up to 0.02.</value>
    public override double Alpha { get; init; } = 1;

    /// <value>I, steps in which each vector of the factors is exchanged once, at the start; at least 1. Default 40 (the authors' code).</value>
    public double SwitchEvery { get; init; } = 40;

    /// <value>Steps of the whole run, at least 1, over which exchanges become rare: their rate falls to <see cref="SwitchDecay"/> of itself in a tenth of
    /// them. Null for a constant rate. Default null.</value>
    public long? TotalSteps { get; init; }

    /// <value>What the rate of exchange falls to in a tenth of <see cref="TotalSteps"/>, in (0, 1]. Default 0.3 (the authors' code).</value>
    public double SwitchDecay { get; init; } = UsualDecay;

    /// <value>Steps for which the vector that belongs to a new one is held still, at least 0. Default 5 (the authors' code).</value>
    public long HoldSteps { get; init; } = 5;

    private protected override AdapterMethod Method => new FactorMethod(FactorsWith(
        new Switching(SwitchEvery, TotalSteps is { } total ? Math.Pow(SwitchDecay, 10.0 / total) : 1, HoldSteps)))
    {
        ScaleOf = (_, rank) => ScaleOf(Alpha, rank),
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        CheckExactStates(checks, "each vector of the factors has moments and a step counter of its own");
        checks.AtLeast(1, SwitchEvery)
            .AtLeast(1, TotalSteps)
            .Ratio(SwitchDecay)
            .NoEffect(SwitchDecay != UsualDecay && TotalSteps is null, nameof(SwitchDecay),
                "TotalSteps is null, so that the rate stays. Set TotalSteps, or leave it out.")
            .AtLeast(0, HoldSteps)
            .Require(Injection != Injection.Shadow,
                $"{checks.PathOf(nameof(Injection))} is Shadow: its factors cannot be exchanged one by one. Use Auto, Replace or Hook.");
    }
}
