using LowRankTraining.Adapters;
using LowRankTraining.Diagnostics;
using LowRankTraining.Numerics;
using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A gradient-space method at work: the model stays as it is, matrices get a subspace rule, everything else a full-rank one.</summary>
internal sealed class GradientSpaceSession : ILowRankSession
{
    private readonly IReadOnlyList<ParameterPlan> _plans;

    private GradientSpaceSession(string strategy, ulong seed, IReadOnlyList<ParameterPlan> plans) => (Strategy, Seed, _plans) = (strategy, seed, plans);

    /// <summary>The matrices that official scripts leave to plain Adam: embeddings and the output head.</summary>
    public static Targets DefaultTargets { get; } = Targets.AllMatrices().Except("embed", "lm_head");

    public string Strategy { get; }

    public ulong Seed { get; }

    public object? Method { get; init; }

    /// <value>The model, where it is known: its parameters are looked up again, since it may be moved before the optimizer is made.</value>
    public nn.Module? Model { get; init; }

    public bool KnowsModel => Model is not null;

    private Ties? Ties { get; init; }

    public IReadOnlyList<ParameterPlan> Parameters => Model is null ? _plans : _plans.In(Model);

    /// <summary>The same session on the parameters of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="parameters">Its parameters, which may stand in several places.</param>
    public GradientSpaceSession On(nn.Module model, IEnumerable<NamedParameter> parameters) => new(Strategy, Seed, _plans) { Method = Method, Model = model, Ties = Ties.Of(model, parameters) };

    /// <summary>Plans every parameter. Throws before anything is made.</summary>
    public static GradientSpaceSession Plan(
        string strategy, GradientSpaceOptions options, IReadOnlyList<NamedParameter> parameters, Targets? targets,
        Func<Tensor, IUpdateRule> projected, IUpdateRule full, IUpdateRule tables)
    {
        targets ??= DefaultTargets;
        targets.RequireAny(parameters);
        RequireFloatingPoint(parameters);

        IUpdateRule RuleOf(NamedParameter candidate) => targets.Includes(candidate) ? projected(candidate.Parameter) : candidate.IsTable ? tables : full;
        var plans = parameters.Select(candidate => PlanOne(candidate, options, RuleOf(candidate))).ToArray();

        var notes = plans.Where(plan => plan.Note is not null).Select(plan => $"{plan.Name}: {plan.Note}").ToArray();
        if (notes.Length > 0 && options.Strict)
            throw new ArgumentException($"Under Strict no rank may be above the side that it compresses. Lower Rank, or leave these matrices out with Targets.Except: {string.Join("; ", notes)}.");
        if (notes.Length > 0)
            options.Logger?.RankLowered(strategy, notes.Length, string.Join("; ", notes.Take(8)));

        return new(strategy, options.Seed, plans) { Method = options };
    }

    /// <summary>Plans every parameter of a method without a subspace of fixed rank: <paramref name="chosen"/> for the targets, or for everything where there are none.</summary>
    public static GradientSpaceSession Plan(
        string strategy, UpdateOptions options, IReadOnlyList<NamedParameter> parameters, Targets? targets,
        Func<NamedParameter, IUpdateRule> chosen, IUpdateRule others, IUpdateRule? tables = null)
    {
        targets?.RequireAny(parameters);
        RequireFloatingPoint(parameters);
        return new(strategy, options.Seed, [.. parameters.Select(candidate => PlanOne(candidate, options, RuleOf(candidate)))]) { Method = options };

        IUpdateRule RuleOf(NamedParameter candidate) =>
            targets?.Includes(candidate) ?? true ? chosen(candidate) : candidate.IsTable ? tables ?? others : others;
    }

    public void BeforeStep() => Ties?.Require();

    public void AfterStep(in StepContext step, IOptimizerState state) { }

    public void ResumeAt(long step, IOptimizerState state) { }

    public void Finish() { }

    public void Dispose() { }

    private static ParameterPlan PlanOne(NamedParameter candidate, UpdateOptions options, IUpdateRule rule) => new(candidate.Name, candidate.Parameter, rule)
    {
        IsOfModel = true,
        Decay = options.Decay,
        AcceptZeroGradient = options.FollowsCode,
        RelativeRate = RelativeRate(rule),
        Note = RankNote(candidate, rule),
    };

    private static IRelativeRate? RelativeRate(IUpdateRule rule) => rule switch
    {
        SubspaceRule subspace => subspace.Inner as IRelativeRate,
        TuckerRule tucker => tucker.Inner as IRelativeRate,
        _ => rule as IRelativeRate,
    };

    private static void RequireFloatingPoint(IReadOnlyList<NamedParameter> parameters)
    {
        var others = parameters.Where(candidate => !candidate.Parameter.dtype.IsTrainable()).ToArray();
        if (others.Length > 0)
            throw new ArgumentException($"Only float64, float32, bfloat16 and float16 parameters can be trained. Freeze these, or convert the model first: {string.Join(", ", others.Select(candidate => $"{candidate.Name} ({candidate.Parameter.dtype})"))}.");
    }

    private static string? RankNote(NamedParameter candidate, IUpdateRule rule)
    {
        if (rule is WeightNormRule { Direction: var direction })
            return RankNote(candidate, direction);
        if (rule is not SubspaceRule { Density: null } subspace)
            return null;

        var (rows, columns) = candidate.Parameter.shape.Sides();
        var limit = subspace.LimitFor(rows, columns);
        return subspace.Rank > limit ? $"rank {subspace.Rank} lowered to {limit}, the length of the {(limit == subspace.Side.Limit(rows, columns) ? "compressed" : "short")} side" : null;
    }
}
