namespace LowRankTraining.Strategies;

/// <summary>GUM: Muon in a subspace for most matrices, and outside of it for those that are drawn, so that on average nothing of a gradient is lost.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, every K updates: P of m × r from the SVD of G, M ← 0, and with the probability q the matrix has its turn outside. Then
/// M ← μM + PᵀG / (1 − q) and W ← W − η c P NS(M); or, at its turn, M ← μM + (G − P PᵀG) / q and W ← W − η c NS(M). For m &gt; n from the right. NS:
/// Newton-Schulz, see <see cref="PolarRule"/>; c: <see cref="Scaling"/>'s. Everything that is no matrix of a layer is trained by AdamW.</para>
/// <para>1/(1 − q) and 1/q make the expected value of what is averaged G. A polar factor has no size, and M starts from zero with every subspace: so neither
/// changes a step, and they are left out.</para>
/// <para>State of a matrix with short side s and long side l: r (s + l) numbers, and r s + s l at its turn.</para>
/// <para>Source: Pan et al., Unbiased Gradient Low-Rank Projection, arXiv 2510.17802, algorithm 2.</para>
/// </remarks>
public sealed record Gum : AdamMethod
{
    /// <inheritdoc/>
    public override string Name => "gum";

    /// <value>r, dimensions of the subspace; at least 1. Above a matrix's short side it is lowered to that side, with a warning. Default 128, as
    /// GaLore's.</value>
    public int Rank { get; init; } = 128;

    /// <value>K, updates from one subspace and draw to the next; at least 1. Default 200, as GaLore's.</value>
    public long RefreshEvery { get; init; } = 200;

    /// <value>q, the probability of a turn outside, in (0, 1). Default 0.25: two of the eight layers of the 60M model; two layers have their turn in the
    /// paper's fine-tuning.</value>
    public double OutsideShare { get; init; } = 0.25;

    /// <value>μ, decay of the momentum, in [0, 1). Default 0.95 (Muon).</value>
    public double Momentum { get; init; } = 0.95;

    /// <value>Newton-Schulz steps, from 1 to 100; null for the exact polar factor. Default 5 (Muon).</value>
    public int? NewtonSchulzSteps { get; init; } = 5;

    /// <value>What steps on matrices are multiplied by, m and n the sides of the whole matrix. Default: 0.2 √max(m, n).</value>
    public PolarScaling Scaling { get; init; }

    /// <value>How the subspace is found. Default: a randomized SVD.</value>
    public IBasis Basis { get; init; } = new RandomizedSvdBasis();

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected override UpdateRule RuleForTarget(in ParameterRole target) => new GumRule
    {
        Rank = Rank,
        Every = RefreshEvery,
        OutsideShare = OutsideShare,
        Basis = Basis,
        Polar = new() { Momentum = Momentum, Nesterov = Momentum == 0, NewtonSchulzSteps = NewtonSchulzSteps, Scaling = Scaling, States = States },
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .AtLeast(1, Rank)
            .AtLeast(1, RefreshEvery)
            .Fraction(OutsideShare)
            .Above(0, OutsideShare)
            .Fraction(Momentum)
            .Between(1, 100, NewtonSchulzSteps)
            .Defined(Scaling)
            .Part(Basis)
            .Require(Basis?.IsOrthonormal != false, $"{checks.PathOf(nameof(Basis))} is {Basis?.GetType().Name}, which is not orthonormal, so that nothing "
                + $"could be told apart from it: take one that is, such as {nameof(RandomizedSvdBasis)}.");
    }
}
