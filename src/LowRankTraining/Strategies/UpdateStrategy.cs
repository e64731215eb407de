using LowRankTraining.Rules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A method that leaves the model as it is, and changes only how parameters are updated.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
public abstract class UpdateStrategy<TOptions> : ILowRankStrategy where TOptions : UpdateOptions
{
    private protected UpdateStrategy(string name, TOptions options) => (Name, Options) = (name, options);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Valid options.</summary>
    private protected TOptions Options { get; }

    /// <inheritdoc/>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null)
    {
        var parameters = NamedParameter.Of(model);
        return Install(model, Plan(parameters, targets).On(model, parameters));
    }

    /// <summary>Puts the method to work on a list of parameters. Without modules to look at, embeddings and heads are known by name only.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null) =>
        Plan(NamedParameter.From(named_parameters), targets);

    /// <summary>What the method does to the model itself. Nothing for most.</summary>
    private protected virtual ILowRankSession Install(nn.Module model, ILowRankSession session) => session;

    /// <summary>The rule of embedding tables: that of other parameters, with moments stored as is asked for tables.</summary>
    private protected static UpdateRule TablesAs<TAdam>(TAdam options, Func<TAdam, UpdateRule> rule) where TAdam : AdamOptions =>
        rule(options with { States = options.TableStates });

    private protected abstract GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets);
}
