using LowRankTraining.Rules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Stable-SPAM: Adam behind a guard that learns how large gradients usually are, for training in few bits.</summary>
/// <remarks>
/// <para>Entries above the usual largest one are cut (AdaClip), the norm is brought to its usual size (AdaGN), the moments start again every ΔT updates (MoRet), and β₁ may fall over training:
/// see <see cref="StabilityGuard"/> and <see cref="MomentumSchedule"/>.</para>
/// <para>State of a matrix: Adam's 2mn numbers and three scalars.</para>
/// <para>Differences from the authors' code: the usual sizes are corrected with a clock of their own, so that AdaClip works after a reset too (there the threshold is up to 500 times too large);
/// the step of a reset uses the fresh moments. <see cref="Compatibility.ReferenceCode"/> follows them.</para>
/// <para>Source: Huang et al., Stable-SPAM, arXiv 2502.17055.</para>
/// </remarks>
public sealed class StableSpamStrategy : ILowRankStrategy
{
    private readonly StableSpamOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public StableSpamStrategy(StableSpamOptions? options = null) => _options = new StableSpamOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "stable-spam";

    private GuardedRule Rule => new(_options.ScheduledAdam, _options.Guard);

    /// <summary>Puts the method to work on <paramref name="model"/>: on every parameter, or on <paramref name="targets"/> only, with plain Adam for the rest.</summary>
    /// <exception cref="ArgumentException">No matrix is matched by <paramref name="targets"/>. The model is as it was.</exception>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null) => Plan(NamedParameter.Of(model), targets);

    /// <summary>Puts the method to work on a list of parameters.</summary>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null) =>
        Plan(NamedParameter.From(named_parameters), targets);

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) =>
        GradientSpaceSession.Plan(Name, _options, parameters, targets, _ => Rule, _options.ScheduledAdam, DecayTiming.BeforeUpdate);
}
