using System.Text.RegularExpressions;
using LowRankTraining.Text;

namespace LowRankTraining.Strategies;

/// <summary>A method that leaves the model as it is, and changes only how parameters are updated. It is its own options.</summary>
/// <remarks>To write one: derive a record, name it, and say by <see cref="RuleFor"/> which rule each parameter has.</remarks>
public abstract partial record UpdateMethod : ILowRankStrategy, IPart
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

    /// <value>What is done otherwise with parameters of some names: rank, scale, factors on learning rate and weight decay, format of the moments, frozen. Of
    /// the rows that match a name the first counts; one that matches none is an error. Default: none.</value>
    public IReadOnlyList<ParameterOptions> Overrides { get; init => field = value is { Count: 0 } ? [] : value; } = [];

    /// <value>Whether the 8 bits that a bfloat16 or float16 weight loses by rounding are kept, a byte per number beside the optimizer's state. A step is then
    /// within 2⁻¹⁶ of that of a float32 weight (2⁻¹⁹ for float16), relative to the weight, and nothing about it is random; the model computes with the weight
    /// rounded to the nearest. Weights of other kinds, 8-bit ones too, are kept as they are. Default false: weights in half precision are rounded
    /// stochastically. Source: FlashOptim, arXiv 2602.23349.</value>
    public bool KeepsRemainders { get; init; }

    /// <value>Whether weight decay is applied after the update: the code of most methods builds on an AdamW that does so.</value>
    protected virtual bool DecaysAfterUpdate => FollowsCode;

    /// <value>The parameters that the method is for where nobody says so; null for all of them. Default: all matrices but those that official scripts leave to
    /// plain Adam, embeddings and the output head.</value>
    protected virtual Targets? DefaultTargets => Targets.AllMatrices().ExceptTablesAndHead();

    /// <value>Whether a rank that a matrix cannot have is an error, and not a warning. Default false.</value>
    protected virtual bool RefusesLowerRanks => false;

    /// <value>Whether targets are left to the rule of everything else where this one would take more state than AdamW, since nobody has asked for the size
    /// that it has. Default false.</value>
    protected virtual bool SparesSmallTargets => false;

    /// <summary>The method as it is for parameters with options of their own.</summary>
    /// <param name="own">Rank, scale and format, where they are given.</param>
    /// <exception cref="NotSupportedException">The method does not have what is given.</exception>
    protected virtual UpdateMethod With(ParameterOptions own)
    {
        ArgumentNullException.ThrowIfNull(own);
        return own.SaysHowToUpdate ? throw new NotSupportedException($"{GetType().Name} has no rank, scale or format of single parameters.") : this;
    }

    /// <summary>The rule of one parameter.</summary>
    /// <param name="role">The parameter, and what the method has to do with it.</param>
    protected abstract UpdateRule RuleFor(in ParameterRole role);

    /// <summary>What the method does to the model itself. Nothing for most.</summary>
    private protected virtual ILowRankSession Install(nn.Module model, Func<ILowRankSession> plan) => plan();

    /// <summary>The method in its text form, with the options that are not as by default: <c>{"Method":"fira","Rank":64}</c>;
    /// <see cref="LowRankStrategies.Parse(string)"/> reads it.</summary>
    public sealed override string ToString() => MethodText.Of(this);

    /// <inheritdoc/>
    public virtual void Check(Checks checks)
    {
        checks
            .Require(Name is not null && ValidName().IsMatch(Name),
                $"'{Name}' cannot name a method: use lower-case letters, digits, dots and dashes, such as \"contoso.warm-sign\".")
            .Defined(Compatibility);
        ParameterOptions.Check(checks, Overrides, ObjectionsTo);
    }

    bool ILowRankStrategy.ReadsWeights => false;

    ILowRankStrategy ILowRankStrategy.WithLogger(ILogger? logger) => this with { Logger = logger };

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);

    /// <inheritdoc/>
    /// <remarks>With another flow than <see cref="GradientFlow.Whole"/> the model must run its linear layers by <c>call</c>. What has to fall back on whole
    /// gradients, and why, is told by <see cref="ILowRankSession.Describe"/> and logged.</remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, or without effect; all of them listed.</exception>
    /// <exception cref="InvalidOperationException">Another session takes the gradients of a layer already.</exception>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null, GradientFlow gradients = GradientFlow.Whole)
    {
        ArgumentNullException.ThrowIfNull(model);
        Checks.Require(this);
        var session = Install(model, Planned);
        return gradients == GradientFlow.Whole ? session : TappedSession.Over(model, session, gradients, Logger);

        GradientSpaceSession Planned()
        {
            var parameters = NamedParameter.Of(model);
            var plan = Plan(parameters, targets, model);
            if (gradients != GradientFlow.Whole)
                TappedSession.Require(this, plan, gradients);
            foreach (var (name, module) in model.named_modules())
                TappedLayer.RequireFree($"{name}.weight", module);
            return plan;
        }
    }

    /// <summary>Puts the method to work on a list of parameters. Without modules to look at, embeddings and heads are known by name only.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, or without effect; all of them listed.</exception>
    /// <exception cref="ArgumentException">No matrix is matched by <paramref name="targets"/>, or a parameter is of a dtype that cannot be trained.</exception>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null)
    {
        Checks.Require(this);
        return Plan(NamedParameter.From(named_parameters), targets, model: null);
    }

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets, nn.Module? model)
    {
        targets = Targets.Of(targets, DefaultTargets);
        targets?.RequireAny(parameters);
        NamedParameter.RequireTrainable(parameters);
        if (KeepsRemainders && !parameters.Any(candidate => candidate.Parameter.dtype.IsHalf()))
            throw new ArgumentException($"{nameof(KeepsRemainders)} has no effect: no parameter is bfloat16 or float16. Convert the model first, "
                + "or leave it out. Nothing was changed.");

        ParameterOptions.RequireUse(Overrides, parameters, candidate => candidate.IsMatrix && targets?.Includes(candidate) != false);

        var place = 0;
        var spared = new List<(string Name, UpdateRule Rule)>();
        var session = new GradientSpaceSession(this, [.. parameters.Select(Plan)])
        {
            Model = model,
            Ties = model is null ? null : Ties.Of(model, parameters),
            Spared = spared,
            Unused = targets?.Unused(parameters) ?? [],
        };
        session.RequireDistinctSlots();
        session.ReportLowerRanks(RefusesLowerRanks, Logger);
        if (spared.Count > 0)
            Logger?.SmallSpared(Name, spared.Count, string.Join(", ", spared.Take(8).Select(matrix => matrix.Name)));
        if (targets is not null)
            Logger?.Covered(Name, TargetCoverage.For(parameters, targets.Includes), session.Unused);
        foreach (var frozen in parameters.Where(candidate => OptionsOf(candidate) is { Frozen: true }))
            frozen.Parameter.requires_grad = false;
        return session;

        ParameterPlan Plan(NamedParameter candidate)
        {
            var own = OptionsOf(candidate);
            var method = own is null ? this : With(own);
            var isTarget = targets?.Includes(candidate) ?? true;
            var role = new ParameterRole(candidate.Name, candidate.Parameter, isTarget, candidate.IsTable, isTarget ? place++ : 0);
            var rule = method.RuleFor(role);
            if (isTarget && method.SparesSmallTargets && rule.BytesFor(candidate.Parameter.shape) > AdamRule.BytesOfAdamW(candidate.Parameter.numel()))
            {
                spared.Add((candidate.Name, rule));
                rule = method.RuleFor(role with { IsTarget = false });
            }

            if (rule.NeedsMatrix && !candidate.IsMatrix)
                throw new ArgumentException(rule.RefusalOf(candidate.Name, candidate.Parameter.dim() < 2 ? "a vector" : "an empty matrix"));
            return PlanOf(candidate, rule, own);
        }
    }

    /// <summary>A method as it is when nothing is set, to tell which options are; itself where it cannot be made without options.</summary>
    private protected static TMethod Unset<TMethod>(TMethod method) where TMethod : UpdateMethod =>
        method.GetType().GetConstructor(Type.EmptyTypes)?.Invoke(null) as TMethod ?? method;

    private ParameterOptions? OptionsOf(NamedParameter candidate) => Overrides.FirstOrDefault(row => row.IsFor(candidate.Names));

    /// <inheritdoc/>
    /// <remarks>A matrix is projected where the group is given a method, and has the rule of everything else where it is not; the numbers are the method's own
    /// either way.</remarks>
    ParameterPlan ILowRankStrategy.PlanAdded(string name, Parameter parameter, bool isTarget)
    {
        Checks.Require(this);
        var candidate = new NamedParameter(name, parameter, [new(name, null)]);
        var own = OptionsOf(candidate);
        var role = new ParameterRole(name, parameter, isTarget && candidate.IsMatrix, candidate.IsTable, Place: 0);
        return PlanOf(candidate, (own is null ? this : With(own)).RuleFor(role), own);
    }

    private ParameterPlan PlanOf(NamedParameter candidate, UpdateRule rule, ParameterOptions? own)
    {
        var plan = GradientSpaceSession.Plan(candidate, rule) with
        {
            DecaysAfterUpdate = DecaysAfterUpdate,
            AcceptZeroGradient = FollowsCode,
            KeepsRemainder = KeepsRemainders,
        };
        return own?.Applied(plan) ?? plan;
    }

    /// <summary>What the method would have against itself with the options of a row.</summary>
    private IEnumerable<string> ObjectionsTo(ParameterOptions own)
    {
        try
        {
            return Checks.Of(With(own) with { Overrides = [] }).Except(Checks.Of(this with { Overrides = [] }));
        }
        catch (NotSupportedException unable)
        {
            return [unable.Message];
        }
    }

    /// <summary>What a method may be called: its name stands in checkpoints and in configuration.</summary>
    [GeneratedRegex("^[a-z0-9.-]+$")]
    private static partial Regex ValidName();
}

/// <summary>One parameter, and what a method has to do with it.</summary>
/// <param name="Name">Its name in the model.</param>
/// <param name="Parameter">The parameter.</param>
/// <param name="IsTarget">Whether the method is for it.</param>
/// <param name="IsTable">Whether it is the table of an embedding, known by its module, or in a list of parameters by "embed" in its name.</param>
/// <param name="Place">Its place among the targets, from 0; 0 for what is none.</param>
public readonly record struct ParameterRole(string Name, Parameter Parameter, bool IsTarget, bool IsTable, int Place);
