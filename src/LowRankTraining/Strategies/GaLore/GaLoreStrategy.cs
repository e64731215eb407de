using LowRankTraining.Subspace;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>GaLore: projects the gradient of each matrix into a small subspace and keeps Adam's moments there.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, every T steps P ← the r leading left singular vectors of G; R = PᵀG; N = Adam(R); W ← W − η α P N. For m &gt; n from the right.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) numbers instead of 2 s l; less with another rule than Adam inside, see <see cref="GaLoreOptions.Inner"/>.</para>
/// <para>Differences from the paper: none by default. The subspace comes from a randomized SVD, as in GaLore 2; set <see cref="GradientSpaceOptions.Basis"/> for an exact one.
/// <see cref="Compatibility.ReferenceCode"/> follows the authors' AdamW: ε before bias correction, decay after the update, exact SVD.</para>
/// <para>Source: Zhao et al., GaLore, arXiv 2403.03507; GaLore 2, arXiv 2504.20437.</para>
/// </remarks>
public sealed class GaLoreStrategy : ILowRankStrategy
{
    private readonly GaLoreOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public GaLoreStrategy(GaLoreOptions? options = null) => _options = new GaLoreOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "galore";

    /// <inheritdoc/>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null) => Plan(NamedParameter.Of(model), targets);

    /// <summary>Puts the method to work on a list of parameters. Without modules to look at, embeddings and heads are known by name only.</summary>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null) =>
        Plan(NamedParameter.From(named_parameters), targets);

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) =>
        GradientSpaceSession.Plan(Name, _options, parameters, targets,
            projected: _options.Project(_options.InnerRule, new ProjectBack { Scale = _options.Scale }, _options.Side),
            full: _options.InnerRule,
            decay: _options.Inner == GaLoreInner.AdamW ? null : DecayTiming.BeforeUpdate);
}
