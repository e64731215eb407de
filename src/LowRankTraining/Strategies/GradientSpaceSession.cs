namespace LowRankTraining.Strategies;

/// <summary>A gradient-space method at work: the model stays as it is, matrices get a subspace rule, everything else a full-rank one.</summary>
internal sealed class GradientSpaceSession : ILowRankSession
{
    private readonly IReadOnlyList<ParameterPlan> _plans;

    public GradientSpaceSession(string strategy, ulong seed, IReadOnlyList<ParameterPlan> plans) => (Strategy, Seed, _plans) = (strategy, seed, plans);

    public string Strategy { get; }

    public ulong Seed { get; }

    public ILowRankStrategy? Method { get; init; }

    /// <value>The model, where it is known: its parameters are looked up again, since it may be moved before the optimizer is made.</value>
    public nn.Module? Model { get; init; }

    bool ILowRankSession.LeavesStatesToRules => true;

    /// <value>Matrices that are too small for the default rank, and the rule that they would have had with it.</value>
    public IReadOnlyList<(string Name, UpdateRule Rule)> Spared { get; init; } = [];

    public IReadOnlyList<string> Unused { get; init; } = [];

    /// <value>Why no gradient of the model is projected, where none is.</value>
    public string WhyNothingIsProjected => Spared.FirstOrDefault(matrix => matrix.Rule.Projects) switch
    {
        { Rule: null } => "it projects no gradient.",
        { Rule.ObstacleToProjection: { } obstacle } => obstacle,
        _ => "its default rank would take more state than AdamW for every matrix of this model, so that none is projected "
            + $"({Spared.Select(matrix => matrix.Name).Few(4)}). Set Rank.",
    };

    private Ties? Ties { get; init; }

    public IReadOnlyList<ParameterPlan> Parameters => Model is null ? _plans : _plans.In(Model);

    /// <summary>The same session on the parameters of a model.</summary>
    public GradientSpaceSession On(nn.Module model, IEnumerable<NamedParameter> parameters) =>
        new(Strategy, Seed, _plans) { Method = Method, Spared = Spared, Unused = Unused, Model = model, Ties = Ties.Of(model, parameters) };

    public static ParameterPlan Plan(NamedParameter candidate, UpdateRule rule) => new(candidate.Name, candidate.Parameter, rule)
    {
        IsOfModel = true,
        Note = rule.NoteFor(candidate.Parameter.shape),
    };

    /// <exception cref="ArgumentException">Two parts of a rule keep something of one name.</exception>
    public void RequireDistinctSlots()
    {
        foreach (var plan in _plans)
            plan.NewState().Dispose();
    }

    /// <summary>Refuses or reports ranks that matrices cannot have.</summary>
    /// <exception cref="ArgumentException">There are some, and they are refused.</exception>
    public void ReportLowerRanks(bool refused, ILogger? logger)
    {
        var notes = _plans.Where(plan => plan.Note is not null).Select(plan => $"{plan.Name}: {plan.Note}").ToArray();
        if (notes.Length > 0 && refused)
            throw new ArgumentException(
                "Under Strict no rank may be above the side that it compresses. Lower Rank, or leave these matrices out with Targets.Except: " +
                $"{string.Join("; ", notes)}.");
        if (notes.Length > 0)
            logger?.RankLowered(Strategy, notes.Length, string.Join("; ", notes.Take(8)));
    }

    public void BeforeStep() => Ties?.Require();

    public void AfterStep(in StepContext step, IOptimizerState state) { }

    public void ResumeAt(long step, IOptimizerState state) { }

    public void Finish() { }

    public void Dispose() { }
}
