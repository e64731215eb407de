namespace LowRankTraining.Strategies;

/// <summary>Dion: orthogonal steps of low rank from a momentum that keeps what they leave out, for the matrices of layers; AdamW for everything else.</summary>
/// <remarks>
/// <para>M ← M + G; P = orth(M Q); R = MᵀP; M ← M − (1 − μ) P Rᵀ; Q ← R, columns of length 1; W ← (1 − ηλ) W − η √(m/n) P Qᵀ: see
/// <see cref="DionRule"/>.</para>
/// <para>State of an m × n matrix: m n + r n numbers. Dion saves products beside Muon, not memory: what it is made for is that P and R are all that several
/// machines would have to exchange.</para>
/// <para>Differences from the authors' code: wide matrices are worked on as they are, as published; <see cref="Compatibility.ReferenceCode"/> transposes
/// them, as their reference implementation does. Directions that the momentum does not have are left alone, and not blown up from rounding noise.</para>
/// <para>Source: Ahn et al., Dion: Distributed Orthonormalized Updates, arXiv 2504.05295, algorithm 1; Nakamori et al., Orth-Dion, arXiv 2605.16341.</para>
/// </remarks>
public sealed record Dion : AdamMethod
{
    /// <summary>The defaults: β₂ of AdamW 0.95 (Dion's code).</summary>
    public Dion() => Beta2 = 0.95;

    /// <inheritdoc/>
    public override string Name => "dion";

    /// <value>r, rank of the steps; at least 1. Above a matrix's short side it is lowered to that side, with a warning. Default 128; the authors take a share
    /// of the short side, 1 to 1/16.</value>
    public int Rank { get; init; } = 128;

    /// <value>μ, share of the momentum that stays where a step has been taken, in [0, 1). Default 0.95 (Dion).</value>
    public double Momentum { get; init; } = 0.95;

    /// <value>Whether the right factor is made orthonormal, in place of columns of length 1: Orth-Dion. Default false (Dion).</value>
    public bool Orthonormalizes { get; init; }

    /// <value>What steps on matrices are multiplied by. Default: √(m/n) (Dion).</value>
    public PolarScaling Scaling { get; init; } = PolarScaling.Spectral;

    /// <value>Draws the first right factor. Default: normal numbers (Dion).</value>
    public IDrawnBasis Start { get; init; } = new GaussianBasis();

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected override UpdateRule RuleForTarget(in ParameterRole target) => new DionRule
    {
        Rank = Rank,
        Momentum = Momentum,
        Orthonormalizes = Orthonormalizes,
        TransposesWide = FollowsCode,
        Scaling = Scaling,
        Start = Start,
        States = States,
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .AtLeast(1, Rank)
            .Fraction(Momentum)
            .Defined(Scaling)
            .Part(Start);
    }
}
