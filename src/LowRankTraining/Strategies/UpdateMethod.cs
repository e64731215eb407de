using LowRankTraining.Parts;
using LowRankTraining.Text;
using Microsoft.Extensions.Logging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A method that leaves the model as it is, and changes only how parameters are updated. It is its own options.</summary>
/// <remarks>To write one: derive a record, name it, and say by <see cref="RuleFor"/> which rule each parameter has.</remarks>
public abstract record UpdateMethod : ILowRankStrategy, IPart
{
    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <value>Seed of whatever is drawn at random: bases, sketches, stochastic rounding. Default 0.</value>
    public ulong Seed { get; init; }

    /// <value>Whom to follow where paper and code differ. Default: the paper.</value>
    public Compatibility Compatibility { get; init; }

    /// <value>Where warnings go; null for nowhere.</value>
    public ILogger? Logger { get; init; }

    /// <value>Whether the authors' code is to be followed.</value>
    protected bool FollowsCode => Compatibility == Compatibility.ReferenceCode;

    /// <value>When weight decay is applied: the code of most methods builds on an AdamW that applies it after the update.</value>
    protected virtual DecayTiming Decay => FollowsCode ? DecayTiming.AfterUpdate : DecayTiming.BeforeUpdate;

    /// <value>The parameters that the method is for where nobody says so; null for all of them. Default: all matrices but those that official scripts leave to
    /// plain Adam, embeddings and the output head.</value>
    protected virtual Targets? DefaultTargets => Targets.AllMatrices().Except("embed", "lm_head");

    /// <value>Whether a rank that a matrix cannot have is an error, and not a warning. Default false.</value>
    protected virtual bool RefusesLowerRanks => false;

    /// <summary>The rule of one parameter.</summary>
    /// <param name="role">The parameter, and what the method has to do with it.</param>
    protected abstract UpdateRule RuleFor(in ParameterRole role);

    /// <summary>What the method does to the model itself. Nothing for most.</summary>
    /// <param name="model">The model.</param>
    /// <param name="session">The method at work on its parameters.</param>
    protected virtual ILowRankSession Install(nn.Module model, ILowRankSession session) => session;

    /// <summary>The method in its text form, with the options that are not as by default: <c>{"Method":"fira","Rank":64}</c>;
    /// <see cref="LowRankStrategies.Parse(string)"/> reads it.</summary>
    public sealed override string ToString() => MethodText.Of(this);

    /// <inheritdoc/>
    public virtual void Check(Checks checks) => checks
        .Require(MethodName.IsValid(Name), MethodName.Refusal(Name))
        .Defined(Compatibility);

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);

    /// <inheritdoc/>
    /// <remarks>With another flow than <see cref="GradientFlow.Whole"/> the model must run its linear layers by <c>call</c>. What has to fall back on whole
    /// gradients, and why, is told by <see cref="ILowRankSession.Describe"/> and logged.</remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, or without effect; all of them listed.</exception>
    /// <exception cref="InvalidOperationException">Another session takes the gradients of a layer already.</exception>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null, GradientFlow gradients = GradientFlow.Whole)
    {
        Checks.Require(this);
        var parameters = NamedParameter.Of(model);
        var plan = Plan(parameters, targets).On(model, parameters);
        if (gradients == GradientFlow.Whole)
            return Install(model, plan);

        TappedSession.Require(this, plan, gradients);
        return TappedSession.Over(model, Install(model, plan), gradients, Logger);
    }

    /// <summary>Puts the method to work on a list of parameters. Without modules to look at, embeddings and heads are known by name only.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, or without effect; all of them listed.</exception>
    /// <exception cref="ArgumentException">No matrix is matched by <paramref name="targets"/>, or a parameter is of a dtype that cannot be trained.</exception>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null)
    {
        Checks.Require(this);
        return Plan(NamedParameter.From(named_parameters), targets);
    }

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets)
    {
        targets ??= DefaultTargets;
        targets?.RequireAny(parameters);
        GradientSpaceSession.RequireFloatingPoint(parameters);

        var place = 0;
        var session = new GradientSpaceSession(Name, Seed, [.. parameters.Select(Plan)]) { Method = this };
        session.RequireDistinctSlots();
        session.ReportLowerRanks(RefusesLowerRanks, Logger);
        return session;

        ParameterPlan Plan(NamedParameter candidate)
        {
            var isTarget = targets?.Includes(candidate) ?? true;
            var rule = RuleFor(new(candidate.Name, candidate.Parameter, isTarget, candidate.IsTable, isTarget ? place++ : 0));
            if (rule.NeedsMatrix && !candidate.IsMatrix)
                throw new ArgumentException(rule.RefusalOf(candidate.Name, "a vector"));
            return GradientSpaceSession.Plan(candidate, rule) with { Decay = Decay, AcceptZeroGradient = FollowsCode };
        }
    }

    /// <summary>A method as it is when nothing is set, to tell which options are; itself where it cannot be made without options.</summary>
    private protected static TMethod Unset<TMethod>(TMethod method) where TMethod : UpdateMethod =>
        method.GetType().GetConstructor(Type.EmptyTypes)?.Invoke(null) as TMethod ?? method;
}
