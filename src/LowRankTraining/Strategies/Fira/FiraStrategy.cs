using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Fira: GaLore, plus the part of the gradient outside the subspace, scaled as Adam scales the part inside. Full-rank training at low-rank memory.</summary>
/// <remarks>
/// <para>With P, R and N as in <see cref="GaLoreStrategy"/>: S = (G − P R) diag(‖Nⱼ‖ / ‖Rⱼ‖), its norm kept from growing more than 1 % a step; W ← W − η (α P N + κ S).</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) + 1 numbers.</para>
/// <para>Differences from the paper: none by default. The authors' code subtracts α P R where the paper has P R, and remembers a zero norm: see <see cref="Compatibility.ReferenceCode"/>.</para>
/// <para>Source: Chen et al., Fira, arXiv 2410.01623.</para>
/// </remarks>
public sealed class FiraStrategy : ILowRankStrategy
{
    private readonly FiraOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public FiraStrategy(FiraOptions? options = null) => _options = new FiraOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "fira";

    private IDirectionRule Inner => _options.Inner == FiraInner.AdamW
        ? _options.Adam
        : new RmsPropRule { Beta = _options.RmsDecay, Epsilon = _options.Epsilon, Momentum = _options.Momentum, Centered = _options.Centered, States = _options.States };

    private ScaledResidual Lift => new()
    {
        Scale = _options.Scale,
        ResidualScale = _options.ResidualScale,
        Compatibility = _options.Compatibility,
        Limiter = new NormGrowthLimiter { MaxGrowth = _options.MaxGrowth, Floor = _options.LimiterFloor, Compatibility = _options.Compatibility },
    };

    /// <inheritdoc/>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null) => Plan(NamedParameter.Of(model), targets);

    /// <summary>Puts the method to work on a list of parameters. Without modules to look at, embeddings and heads are known by name only.</summary>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null) =>
        Plan(NamedParameter.From(named_parameters), targets);

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) =>
        GradientSpaceSession.Plan(Name, _options, parameters, targets, projected: _options.Project(Inner, Lift, _options.Side), full: Inner);
}
