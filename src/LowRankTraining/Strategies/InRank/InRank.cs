namespace LowRankTraining.Strategies;

/// <summary>InRank: factors whose rank grows during training for as long as it is not enough, and is then cut to what is needed.</summary>
/// <remarks>
/// <para>W = U V, or W₀ + U V. Of c + b directions that are trained, the fewest that explain the wanted share of Σ σ² are the new c, never below the old one;
/// after each check there are c + b of them again. New rows of V are drawn and new columns of U are zero, so growth changes nothing by itself. When no layer
/// has grown for a few checks, all are cut to c by a singular value decomposition; the rest is merged into W₀, or dropped where there is none, and the
/// moments follow the change of basis.</para>
/// <para>State of an m × n matrix: 2 (c + b)(m + n) + 2 (c + b) numbers while growing, 2 c (m + n) + 2 c afterwards. For N rows 6 N (c + b)(m + n)
/// operations.</para>
/// <para>All steps are updates; micro-batches and evaluation do not count.</para>
/// <para>Differences from the authors' code: the share is of the energy, as in the paper (there it is of the variance, see
/// <see cref="LowRankTraining.Compatibility.ReferenceCode"/>); steps are updates, where they count forward calls, evaluation included; rows that are not at
/// work take no memory; the ranks settle by themselves; moments are rotated, where they crop them; singular values come from a small core, not from the whole
/// matrix.</para>
/// <para>Source: Zhao et al., InRank, arXiv 2306.11250.</para>
/// </remarks>
public sealed record InRank : FactorizedLayerMethod
{
    /// <inheritdoc/>
    public override string Name => "inrank";

    /// <value>c₀, the directions that count as needed at the start: 2 (InRank).</value>
    protected override int DefaultRank => 2;

    /// <value>b, directions trained beyond those that are needed, at least 1. Default 100 (InRank).</value>
    public int Buffer { get; init; } = 100;

    /// <value>The most directions that are trained, as a share of the short side, in (0, 1]. Default 0.5 (the authors' code).</value>
    public double MaxRankRatio { get; init; } = 0.5;

    /// <value>The share of the energy Σ σ² that the needed directions explain, in (0, 1). Default 0.9 (InRank; 0.8 gives smaller, slightly worse
    /// models).</value>
    public double EnergyRatio { get; init; } = 0.9;

    /// <value>Steps without checks at the start, at least 0. Default 200 (InRank).</value>
    public long WarmupSteps { get; init; } = 200;

    /// <value>Steps from one check to the next, at least 1. Default 25 (InRank).</value>
    public long CheckEvery { get; init; } = 25;

    /// <value>Checks without growth in every layer after which the ranks settle, at least 1. Default 3 (ours; the authors fit the number of steps by
    /// hand).</value>
    public int StableChecks { get; init; } = 3;

    /// <value>The step after which the ranks settle in any case, at least 1; null for none. The authors' runs: 130, at a batch of 512. Default null.</value>
    public long? GrowSteps { get; init; }

    /// <value>Whether the factors are added to the weights that were there, which stay frozen: W = W₀ + U V, with U V = 0 at the start. Default false: W = U V,
    /// and the weights that were there are discarded, with their memory (InRank-Efficient, the authors' code).</value>
    public bool KeepsWeights { get; init; }

    /// <value>Factor on both random factors at the start, above 0; it means nothing with <see cref="KeepsWeights"/>, where U V is zero. Default 1, as in the
    /// authors' code: the spectrum is then that of the start for long, and so is the rank. With 0.1 or less it is soon that of what has been learned.</value>
    public double StartScale { get; init; } = 1;

    /// <value>Whose measure of what is explained: the paper's share of the energy, or the share of the variance of the singular values in the authors' code.
    /// Default:
    /// the paper's.</value>
    public Compatibility Compatibility { get; init; }

    private RankGrowth Growth => new(Rank, Buffer, MaxRankRatio, EnergyRatio, Compatibility);

    private protected override AdapterMethod Method => new InRankMethod(Settings, this, Growth, LayerFor);

    /// <inheritdoc/>
    protected override ReparameterizedLinear LayerFor(string weight, Linear plain, int rank, ulong key) => KeepsWeights
        ? new FactorizedLinear(plain.bias, FactorPair.Nothing(plain.weight, rank, key), frozen: plain.weight)
        : new FactorizedLinear(plain.bias, FactorPair.Kaiming(plain.weight, rank, Growth.MaxRank(plain.weight.shape.Min()), StartScale, key));

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        CheckExactStates(checks, "each direction of the factors has moments and a step counter of its own");
        checks.AtLeast(1, Buffer)
            .Ratio(MaxRankRatio)
            .Share(EnergyRatio)
            .AtLeast(0, WarmupSteps)
            .AtLeast(1, CheckEvery)
            .AtLeast(1, StableChecks)
            .AtLeast(1, GrowSteps)
            .Above(0, StartScale)
            .NoEffect(StartScale != 1 && KeepsWeights, nameof(StartScale), "beside W₀ the product of the factors starts at zero. Leave it out.")
            .Defined(Compatibility);
    }
}
