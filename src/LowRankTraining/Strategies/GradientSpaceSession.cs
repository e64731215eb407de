namespace LowRankTraining.Strategies;

/// <summary>A method at work that leaves the model as it is: every parameter has its rule.</summary>
/// <param name="method">The method.</param>
/// <param name="plans">Every parameter, in the model's order.</param>
internal sealed class GradientSpaceSession(UpdateMethod method, IReadOnlyList<ParameterPlan> plans) : ILowRankSession
{
    public string Strategy => method.Name;

    public ulong Seed => method.Seed;

    public ILowRankStrategy Method => method;

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

    /// <value>The places of the model that share a parameter; null where there are none, and where the model is not known.</value>
    public Ties? Ties { private get; init; }

    public IReadOnlyList<ParameterPlan> Parameters => Model is null ? plans : plans.In(Model);

    public static ParameterPlan Plan(NamedParameter candidate, UpdateRule rule) => new(candidate.Name, candidate.Parameter, rule)
    {
        IsOfModel = true,
        Note = rule.NoteFor(candidate.Parameter.shape),
    };

    /// <exception cref="ArgumentException">Two parts of a rule keep something of one name.</exception>
    public void RequireDistinctSlots()
    {
        foreach (var plan in plans)
            plan.NewState().Dispose();
    }

    /// <summary>Refuses or reports ranks that matrices cannot have.</summary>
    /// <exception cref="ArgumentException">There are some, and they are refused.</exception>
    public void ReportLowerRanks(bool refused, ILogger? logger)
    {
        var notes = plans.Where(plan => plan.Note is not null).Select(plan => $"{plan.Name}: {plan.Note}").ToArray();
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
