namespace LowRankTraining.Layers;

/// <summary>What every weight-space method is told.</summary>
internal record AdapterSettings
{
    /// <value>The method itself, for logs and checkpoints.</value>
    public required ILowRankStrategy Method { get; init; }

    /// <value>The rank that is asked for; more than a matrix can have is lowered to its short side.</value>
    public required long Rank { get; init; }

    /// <value>How parts are trained, and parameters that are not adapted.</value>
    public required AdamRule Adam { get; init; }

    /// <value>How the moments of embedding tables are stored.</value>
    public required StateFormat TableStates { get; init; }

    public ulong Seed { get; init; }

    public double Dropout { get; init; }

    /// <value>Whether s = α/√r.</value>
    public bool RankStabilized { get; init; }

    public Injection Injection { get; init; }

    /// <value>Whether parameters are trained that are not adapted.</value>
    public bool TrainOthers { get; init; }

    /// <value>Whether what cannot be done as asked is an error.</value>
    public bool Strict { get; init; }

    public bool AllowUnreached { get; init; }

    /// <value>Whether a matrix is left as it is, and trained, where factors of the default rank would take more state than AdamW.</value>
    public bool SparesSmall { get; init; }

    /// <value>What is done otherwise with parameters of some names; the first row that matches counts.</value>
    public IReadOnlyList<ParameterOptions> Own { get; init; } = [];

    public string Strategy => Method.Name;

    public ILogger? Logger => Method.Logger;

    /// <summary>The row for a parameter that goes by these names, or null.</summary>
    public ParameterOptions? OwnOf(IEnumerable<string> names) => Own.FirstOrDefault(row => row.IsFor(names));

    /// <summary>How a parameter is trained that is not adapted.</summary>
    public ParameterPlan PlanOf(NamedParameter other)
    {
        var own = OwnOf(other.Names);
        var plan = new ParameterPlan(other.Name, other.Parameter, Adam with { States = own?.States ?? (other.IsTable ? TableStates : Adam.States) })
        {
            IsOfModel = true,
        };
        return own?.Applied(plan) ?? plan;
    }
}
