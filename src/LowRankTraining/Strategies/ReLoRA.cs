using LowRankTraining.Schedules;

namespace LowRankTraining.Strategies;

/// <summary>ReLoRA: trains low-rank factors beside frozen weights, and every few thousand steps merges them and starts with new ones, so that the sum reaches a
/// high rank.</summary>
/// <remarks>
/// <para>y = x (W + s B A)ᵀ. After every T steps W ← W + s B A, A ← a new draw, B ← 0, and most of the factors' optimizer state is cleared. The learning rate
/// is to start from 0 again: train with the schedule that <see cref="ScheduleFor"/> gives. The last factors are merged by
/// <see cref="ILowRankSession.Finish"/>.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) numbers, beside r (m + n) for the factors. Embeddings, head, norms and biases are trained by full-rank
/// Adam.
/// Weight decay is applied to these only: on factors it would shrink something else than the weight.</para>
/// <para>The merge is computed in float32 and rounded once: stochastically, where a weight is kept in half precision or quantized, unless
/// <see cref="Rounding"/> says otherwise.</para>
/// <para>Differences from the authors' code, all toward the paper: A is random from the start (there it is zero, and nothing trains until the first merge);
/// one mask prunes both moments; the merge takes no extra update; the step counter starts from zero again, see <see cref="ResetStepCounter"/>.</para>
/// <para>Source: Lialin et al., ReLoRA, arXiv 2307.05695, algorithm 1.</para>
/// </remarks>
public sealed record ReLoRA : LoRAMethod
{
    private const double UsualPruneRatio = 0.99;

    /// <inheritdoc/>
    public override string Name => "relora";

    /// <value>Whether what is not adapted (embeddings, head, norms, biases) is trained too, by full-rank Adam. Default true (ReLoRA, section 3): the method
    /// is for training from scratch.</value>
    public override bool TrainOthers { get; init; } = true;

    /// <value>r before the first restart: 128 (ReLoRA, at every model size).</value>
    protected override int DefaultRank => 128;

    /// <value>α, above 0. Default 32 (the authors' code), so s = 0.25 at the default rank.</value>
    public override double Alpha { get; init; } = 32;

    /// <value>T, steps from one merge-and-restart to the next, counted from the end of the warm start; at least 1. Default 2000 (ReLoRA: 2000 to 5000).</value>
    public long MergeEvery { get; init; } = 2000;

    /// <value>Steps of full-rank training before the factors take over; at least 0. Most of the method's quality at small scale comes from them (ReLoRA,
    /// table 4):
    /// a quarter of the run is the authors' recipe. Default 0.</value>
    public long WarmStartSteps { get; init; }

    /// <value>γ, factor on the rank at every restart, in (0, 1]: rⱼ = max(<see cref="MinRank"/>, round(r γʲ)). Default 1, the rank stays.</value>
    public double RankDecay { get; init; } = 1;

    /// <value>The rank below which <see cref="RankDecay"/> does not go; at least 1 and at most <see cref="WeightSpaceMethod.Rank"/>. Default 1.</value>
    public int MinRank { get; init; } = 1;

    /// <value>Any other change of the rank, looked at after each restart, or null. Default null.</value>
    public IRankSchedule? RankSchedule { get; init; }

    /// <value>What new factors start from at a restart, of the weight with the old ones merged; those before the first restart are drawn.
    /// <see cref="FactorInit.PiSSA"/> takes its r leading singular triplets, s B A = U_r Σ_r V_rᵀ and W ← W − s B A, so that the next stretch trains the
    /// directions in which the weight is largest; with <see cref="Reset"/> at <see cref="OptimizerReset.Zero"/> that is the re-factorization with reset
    /// momentum of Glentis et al., arXiv 2505.22922, for a weight that has its full rank. Not <see cref="FactorInit.LoRAGA"/>. Others than Kaiming and Gaussian
    /// need a <see cref="BaseFormat.Dense"/> base, and no <see cref="MergeRounding.CarryResidual"/>. Default Kaiming: A uniform, B zero (ReLoRA).</value>
    public FactorInit RestartInit { get; init; }

    /// <value>How much of the factors' optimizer state is cleared at a restart. A factor whose rank changes loses all. Default: magnitude pruning (ReLoRA,
    /// section 3).</value>
    public OptimizerReset Reset { get; init; } = OptimizerReset.MagnitudePruning;

    /// <value>Share of the state that pruning clears, in [0, 1]. Default 0.99 (ReLoRA, section 3).</value>
    public double PruneRatio { get; init; } = UsualPruneRatio;

    /// <value>Whether the factors' step counter, and with it Adam's bias correction, starts from zero at a restart. The authors' code keeps it, after which
    /// steps are up to 6.6 times their normal size at β₂ = 0.999. Default true.</value>
    public bool ResetStepCounter { get; init; } = true;

    /// <inheritdoc cref="LoRA.Base"/>
    /// <remarks>Weights are trained dense in the warm start.</remarks>
    public BaseFormat Base { get; init; }

    /// <value>How merged weights that are not kept in float32 are rounded. Under <see cref="Injection.Shadow"/>, where the weight is the merged one all the
    /// time, it is refused. Default: stochastically.</value>
    public MergeRounding Rounding { get; init; }

    /// <value>Measures the loss, on a small validation batch for example; called just before and after every restart, without gradients and in the model's
    /// present mode, and both numbers are logged. They differ by what the merge has rounded away. Default: null, not measured.</value>
    public Func<double>? LossProbe { get; init; }

    private bool TakesOutOfWeight => RestartInit is FactorInit.PiSSA or FactorInit.OLoRA;

    private protected override MergeRounding MergeRounding => Rounding;

    private protected override FactorStart? NextStart => RestartInit == FactorInit.Kaiming ? null : FactorStart.Of(RestartInit, gamma: 1);

    private protected override IEnumerable<FactorFeature?> Features =>
    [
        Base == BaseFormat.Dense ? null : new QuantizedBase(Base),
        new Restart(MergesAfter)
        {
            WarmStart = WarmStartSteps,
            Reset = new MomentReset(Reset, PruneRatio, ResetStepCounter),
            Ranks = RankSchedule
                ?? (RankDecay == 1 ? null : new GeometricRank { Factor = RankDecay, MinRank = MinRank, Every = MergeEvery, Start = WarmStartSteps }),
            LossProbe = LossProbe,
        },
    ];

    /// <inheritdoc/>
    protected override long MergesAfter(long step) => Math.Max(0, step - WarmStartSteps) / MergeEvery;

    /// <summary>The learning rate that belongs to these restarts: a cosine that starts from zero again whenever the factors do, and when they take over from
    /// a warm start.</summary>
    /// <param name="totalSteps">Optimizer steps of the run, warm start included. The cosine ends where the last stretch between restarts does, if that is
    /// later.</param>
    /// <param name="warmup">w₁, steps of the first warm-up; it must end before the first restart.</param>
    /// <param name="restartWarmup">w₂, steps of the warm-up after each restart. ReLoRA: 50 to 100.</param>
    /// <param name="minRatio">μ, the final multiplier. Default 0.1.</param>
    public JaggedCosineSchedule ScheduleFor(long totalSteps, long warmup, long restartWarmup, double minRatio = 0.1)
    {
        var first = WarmStartSteps > 0 ? WarmStartSteps : MergeEvery;
        var stretches = Math.Max(0, (totalSteps - first + MergeEvery - 1) / MergeEvery);
        return new()
        {
            TotalSteps = first + stretches * MergeEvery,
            Warmup = warmup,
            RestartEvery = MergeEvery,
            FirstRestart = first,
            RestartWarmup = restartWarmup,
            MinRatio = minRatio,
        };
    }

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        CheckBase(checks, Base);
        var start = $"{checks.PathOf(nameof(RestartInit))} is {RestartInit}";
        checks.AtLeast(1, MergeEvery)
            .AtLeast(0, WarmStartSteps)
            .Ratio(RankDecay)
            .AtLeast(1, MinRank)
            .Require(MinRank <= Rank, $"{checks.PathOf(nameof(MinRank))} ({MinRank}) is above Rank ({Rank}).")
            .NoEffect(MinRank > 1 && RankDecay == 1, nameof(MinRank), "RankDecay is 1, so that the rank stays. Set RankDecay, or leave it out.")
            .OptionalPart(RankSchedule)
            .Require(RankSchedule is null || RankDecay == 1, "RankDecay and RankSchedule are both set: leave RankDecay at 1, or express it as a GeometricRank.")
            .Defined(RestartInit)
            .Require(RestartInit != FactorInit.LoRAGA, $"{start}, which needs a gradient of the weight: take PiSSA.")
            .Require(!TakesOutOfWeight || Base == BaseFormat.Dense, $"{start}, which decomposes the weight, and Base is {Base}: leave one of them out.")
            .Require(!TakesOutOfWeight || Rounding != MergeRounding.CarryResidual,
                $"{start} and Rounding is CarryResidual, and both give the new factors their values: leave one of them out.")
            .Defined(Reset)
            .Between(0, 1, PruneRatio)
            .NoEffect(PruneRatio != UsualPruneRatio && Reset == OptimizerReset.Zero, nameof(PruneRatio), "Reset is Zero, which clears all of the state.")
            .Defined(Rounding)
            .NoEffect(Rounding != default && Injection == Injection.Shadow, nameof(Rounding),
                "Injection is Shadow, and a shadowed weight is the merged one all the time. Leave it out.");
    }
}
