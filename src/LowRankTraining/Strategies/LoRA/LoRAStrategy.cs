using LowRankTraining.Adapters;
using LowRankTraining.Schedules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>LoRA: trains low-rank factors beside frozen weights.</summary>
/// <remarks>
/// <para>y = x (W + s B A)ᵀ with s = α/r, A random and B zero at the start. <see cref="ILowRankSession.Finish"/> merges the factors.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) numbers, beside r (m + n) for the factors. Weight decay is not applied to factors.</para>
/// <para>Differences from the paper: none by default, but that what is not adapted is trained as well, see <see cref="WeightSpaceOptions.TrainOthers"/>.</para>
/// <para>Source: Hu et al., LoRA, arXiv 2106.09685.</para>
/// </remarks>
public sealed class LoRAStrategy : ILowRankStrategy
{
    private readonly LoRAOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public LoRAStrategy(LoRAOptions? options = null) => _options = new LoRAOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "lora";

    private AdapterRecipe Recipe => new()
    {
        Strategy = Name,
        Seed = _options.Seed,
        Rank = _options.Rank,
        RankSchedule = _options.RankSchedule ?? new ConstantRank(),
        OnRankChange = _options.OnRankChange,
        Scale = _options.Scale,
        Dropout = _options.Dropout,
        Adam = _options.Adam,
        Layers = new LayerChoices(_options),
        LearningRateRatio = _options.LearningRateRatio,
        Init = _options.Init,
        GradientGamma = _options.GradientGamma,
        Base = _options.Base,
        Clock = new RestartClock(WarmStart: 0, Every: null),
        Reset = new MomentReset(OptimizerReset.Zero, Ratio: 1, RestartClock: true),
    };

    /// <inheritdoc cref="ILowRankStrategy.Attach"/>
    /// <param name="model">The model, already on its device and in its dtype.</param>
    /// <param name="targets">The matrices to adapt; all linear weights but the output head when null.</param>
    public AdapterSession Attach(nn.Module model, Targets? targets = null) => AdapterPlanner.Attach(model, targets, new FactorMethod(Recipe, _options), _options);

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);
}
