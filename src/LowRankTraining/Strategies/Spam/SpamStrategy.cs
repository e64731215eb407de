using LowRankTraining.Rules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>SPAM: Adam behind a guard against gradient spikes, with moments that are forgotten now and then.</summary>
/// <remarks>
/// <para>Entries with g² &gt; θ v become sign(g) √(θ v); every ΔT updates the moments start again, and the step grows back over N updates: see <see cref="SpikeGuard"/>.</para>
/// <para>State of a matrix: Adam's, 2mn numbers. The guard itself goes with any method: <see cref="GuardedRule"/>.</para>
/// <para>Differences from the authors' code: v is corrected for its bias before it is compared, bias correction restarts with the moments, and an entry that has no history yet is not cut to 0.
/// <see cref="Compatibility.ReferenceCode"/> follows them.</para>
/// <para>Source: Huang et al., SPAM: Spike-Aware Adam with Momentum Reset, arXiv 2501.06842.</para>
/// </remarks>
public sealed class SpamStrategy : ILowRankStrategy
{
    private readonly SpamOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public SpamStrategy(SpamOptions? options = null) => _options = new SpamOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "spam";

    private GuardedRule Rule => new(_options.Adam, _options.Guard);

    /// <summary>Puts the method to work on <paramref name="model"/>: on every parameter, or on <paramref name="targets"/> only, with plain Adam for the rest.</summary>
    /// <exception cref="ArgumentException">No matrix is matched by <paramref name="targets"/>. The model is as it was.</exception>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null) => Plan(NamedParameter.Of(model), targets);

    /// <summary>Puts the method to work on a list of parameters.</summary>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null) =>
        Plan(NamedParameter.From(named_parameters), targets);

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) =>
        GradientSpaceSession.Plan(Name, _options, parameters, targets, _ => Rule, _options.Adam);
}
