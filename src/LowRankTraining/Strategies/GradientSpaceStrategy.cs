using LowRankTraining.Rules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A method that leaves the model as it is: matrices get a subspace rule, everything else a full-rank one.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
public abstract class GradientSpaceStrategy<TOptions> : ILowRankStrategy where TOptions : GradientSpaceOptions
{
    private protected GradientSpaceStrategy(string name, TOptions options) => (Name, Options) = (name, options);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Valid options.</summary>
    private protected TOptions Options { get; }

    /// <summary>The recipe for matrices.</summary>
    private protected abstract IUpdateRule Projected { get; }

    /// <summary>The recipe for tensors of more than two dimensions; by default they are treated as out × rest.</summary>
    private protected virtual IUpdateRule ProjectedTensor => Projected;

    /// <summary>The rule for everything that is not projected.</summary>
    private protected virtual IUpdateRule Full => Options.Adam;

    /// <inheritdoc/>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null) => Install(model, Plan(NamedParameter.Of(model), targets));

    /// <summary>Puts the method to work on a list of parameters. Without modules to look at, embeddings and heads are known by name only.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>.</param>
    /// <param name="targets">The matrices that are projected; the method's own choice when null.</param>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null) =>
        Plan(NamedParameter.From(named_parameters), targets);

    /// <summary>What the method does to the model itself. Nothing for most.</summary>
    private protected virtual ILowRankSession Install(nn.Module model, ILowRankSession session) => session;

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) =>
        GradientSpaceSession.Plan(Name, Options, parameters, targets, parameter => parameter.dim() > 2 ? ProjectedTensor : Projected, Full);
}
