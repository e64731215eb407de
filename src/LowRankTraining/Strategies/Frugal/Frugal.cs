namespace LowRankTraining.Strategies;

/// <summary>FRUGAL: Adam in a part of the space that changes from time to time, and a step that needs no memory in all the rest.</summary>
/// <remarks>
/// <para>With P a set of coordinates of the short side, its leading singular vectors, or a random subspace, renewed every T steps with fresh moments: R = PᵀG;
/// W ← W − η (α P Adam(R) + κ sign(G − P R)). <see cref="GradientSpaceMethod.Basis"/> says which: <see cref="CoordinateBasis"/> (the default),
/// <see cref="RandomizedSvdBasis"/>, <see cref="RandomOrthonormalBasis"/>. By blocks: whole matrices take turns in having Adam.</para>
/// <para>State of a matrix with short side s and long side l at density ρ, r = ρ s: 2 r l numbers and r indices (coordinates), r (s + 2 l) numbers (singular
/// vectors), 2 r l (random); by blocks 2 s l for those whose turn it is.</para>
/// <para>Differences from the paper: blocks take turns by their number. The authors' random entries are not offered: two int64 indices an entry cost more than
/// the moments they save.</para>
/// <para>Source: Zmushko et al., FRUGAL, arXiv 2411.07837, algorithm 1.</para>
/// </remarks>
public sealed record Frugal : GradientSpaceMethod
{
    /// <summary>The defaults: α = 1, coordinates at random, moments that start from zero in each subspace (FRUGAL).</summary>
    public Frugal() => (Scale, OnRefresh) = (1, MomentCarryOver.Reset);

    /// <inheritdoc/>
    public override string Name => "frugal";

    /// <value>ρ, share of the compressed side that has Adam's state, in (0, 1]: it takes the place of a rank. Default 0.25 (FRUGAL).</value>
    public double Density { get; init; } = 0.25;

    /// <value>Whether whole matrices take turns in having Adam's state, one in 1/ρ at a time, in place of a part of each. Default false.</value>
    public bool ByBlocks { get; init; }

    /// <value>What is done in the rest. Default: the sign of the gradient (FRUGAL).</value>
    public StateFreeStep Outside { get; init; }

    /// <value>κ, a factor on the step in the rest; at least 0. Default 1 (FRUGAL, pre-training); 0.1 for fine-tuning.</value>
    public double ResidualScale { get; init; } = 1;

    /// <inheritdoc/>
    protected override IBasis OwnBasis => new CoordinateBasis();

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected override ILift Lift => new StateFreeResidual { Scale = Scale, ResidualScale = ResidualScale, Outside = Outside };

    /// <inheritdoc/>
    protected internal override SubspaceRule Subspace => base.Subspace with { Density = Density };

    /// <inheritdoc/>
    protected override UpdateRule RuleForTarget(in ParameterRole target) => ByBlocks ? InTurn(target.Place) : Subspace;

    private RoundRobinRule InTurn(int place) => new()
    {
        Place = place,
        Inner = Guard is null ? Adam : new GuardedRule(Adam, Guard),
        Turns = (int)Math.Round(1 / Density),
        Every = RefreshEvery,
        Outside = Outside,
        Scale = Scale,
        ResidualScale = ResidualScale,
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        const string Whole = "by blocks whole matrices take turns, every RefreshEvery updates";
        checks
            .Unused(false, Rank, 128, "Density takes its place")
            .Unused(false, Strict, false, "Density takes the place of a rank, and is never too large")
            .Ratio(Density)
            .Require(!ByBlocks || Math.Abs(1 / Density - Math.Round(1 / Density)) < 1e-6 && Density >= 1e-9, FormattableString.Invariant(
                $"{checks.PathOf(nameof(Density))} is {Density}: by blocks one matrix in so many has its turn, so it must be 1/2, 1/3, 1/4, ..."))
            .Defined(Outside)
            .AtLeast(0, ResidualScale)
            .Unused(Outside != StateFreeStep.None, ResidualScale, 1, "Outside is None, so that there is no step in the rest")
            .Unused(!ByBlocks, Side, ProjectionSide.Short, Whole)
            .Unused(!ByBlocks, Basis, null, Whole)
            .Unused(!ByBlocks, BasisFormat, StateFormat.Float32, Whole)
            .Unused(!ByBlocks, Refresh, null, Whole)
            .Unused(!ByBlocks, Staggered, false, Whole)
            .Unused(!ByBlocks, OnRefresh, MomentCarryOver.Reset, Whole)
            .Require(!ByBlocks || !AccumulatesInSubspace, $"{checks.PathOf(nameof(AccumulatesInSubspace))} is set, but {Whole}: accumulate in full.");
    }
}
