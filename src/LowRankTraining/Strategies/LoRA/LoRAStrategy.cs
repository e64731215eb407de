using LowRankTraining.Adapters;
using LowRankTraining.Schedules;

namespace LowRankTraining.Strategies;

/// <summary>LoRA: trains low-rank factors beside frozen weights.</summary>
/// <remarks>
/// <para>y = x (W + s B A)ᵀ with s = α/r, A random and B zero at the start. <see cref="ILowRankSession.Finish"/> merges the factors.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) numbers, beside r (m + n) for the factors. Weight decay is not applied to factors.</para>
/// <para>Differences from the paper: none by default, but that what is not adapted is trained as well, see <see cref="WeightSpaceMethod.TrainOthers"/>.</para>
/// <para>Source: Hu et al., LoRA, arXiv 2106.09685.</para>
/// </remarks>
public sealed class LoRAStrategy : WeightSpaceStrategy<LoRA>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public LoRAStrategy(LoRA? options = null) : base("lora", new LoRAOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new FactorMethod(
        AdapterRecipe.Of(Name, Options) with
        {
            RankSchedule = Options.RankSchedule ?? new ConstantRank(),
            OnRankChange = Options.OnRankChange,
            Init = Options.Init,
            GradientGamma = Options.GradientGamma,
            Base = Options.Base,
        },
        Options);
}
