using LowRankTraining.Rules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A method that leaves the model as it is: matrices get a subspace rule, everything else a full-rank one.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
public abstract class GradientSpaceStrategy<TOptions> : UpdateStrategy<TOptions> where TOptions : GradientSpaceOptions
{
    private protected GradientSpaceStrategy(string name, TOptions options) : base(name, options) { }

    /// <summary>The recipe for matrices.</summary>
    private protected abstract UpdateRule Projected { get; }

    /// <summary>The recipe for tensors of more than two dimensions; by default they are treated as out × rest.</summary>
    private protected virtual UpdateRule ProjectedTensor => Projected;

    /// <summary>The rule that options give to everything that is not projected.</summary>
    private protected virtual UpdateRule Full(TOptions options) => options.Adam;

    /// <summary>The rule of one of the targets.</summary>
    /// <param name="parameter">The target.</param>
    /// <param name="place">Its place among them, from 0.</param>
    private protected virtual UpdateRule RuleOf(Tensor parameter, int place) => parameter.dim() > 2 ? ProjectedTensor : Projected;

    private protected override GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets)
    {
        var place = 0;
        return GradientSpaceSession.Plan(Name, Options, parameters, targets, parameter => RuleOf(parameter, place++), Full(Options), TablesAs(Options, Full));
    }
}
