using LowRankTraining.Adapters;
using LowRankTraining.Schedules;

namespace LowRankTraining.Strategies;

/// <summary>ReLoRA: trains low-rank factors beside frozen weights, and every few thousand steps merges them and starts with new ones, so that the sum reaches a high rank.</summary>
/// <remarks>
/// <para>y = x (W + s B A)ᵀ. After every T steps W ← W + s B A, A ← a new draw, B ← 0, and most of the factors' optimizer state is forgotten; meanwhile the learning rate is to start from 0 again:
/// train with the schedule that <see cref="ReLoRA.ScheduleFor"/> gives. The last factors are merged by <see cref="ILowRankSession.Finish"/>.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) numbers, beside r (m + n) for the factors. Embeddings, head, norms and biases are trained by full-rank Adam.
/// Weight decay is applied to these only: on factors it would shrink something else than the weight.</para>
/// <para>The merge is computed in float32 and rounded once: stochastically, where a weight is kept in half precision or quantized, unless <see cref="ReLoRA.Rounding"/> says otherwise.</para>
/// <para>Differences from the authors' code, all towards the paper: A is random from the start (there it is zero, and nothing trains until the first merge); one mask prunes both moments;
/// the merge takes no extra update; the step counter starts anew, see <see cref="ReLoRA.ResetStepCounter"/>.</para>
/// <para>Source: Lialin et al., ReLoRA, arXiv 2307.05695, algorithm 1.</para>
/// </remarks>
public sealed class ReLoRAStrategy : WeightSpaceStrategy<ReLoRA>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public ReLoRAStrategy(ReLoRA? options = null) : base("relora", new ReLoRAOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new FactorMethod(
        AdapterRecipe.Of(Name, Options) with
        {
            RankSchedule = Options.RankSchedule ?? FallingRank,
            Base = Options.Base,
            Rounding = Options.Rounding,
            LossProbe = Options.LossProbe,
            Clock = new RestartClock(Options.WarmStartSteps, Options.MergeEvery),
            Reset = new MomentReset(Options.Reset, Options.PruneRatio, Options.ResetStepCounter),
        },
        Options);

    private GeometricRank FallingRank => new()
    {
        Factor = Options.RankDecay,
        MinRank = Options.MinRank,
        Every = Options.MergeEvery,
        Start = Options.WarmStartSteps,
    };
}
