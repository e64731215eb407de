namespace LowRankTraining;

/// <summary>What a method does otherwise with parameters of some names.</summary>
/// <remarks>A row of <see cref="Strategies.UpdateMethod.Overrides"/> or <see cref="Strategies.WeightSpaceMethod.Overrides"/>: no weight decay on biases and
/// norms, a rate of its own for the head, a lower rank for some matrices, a frozen table. What is left out is as for all others. Of several rows for one
/// parameter the first one counts.</remarks>
public sealed record ParameterOptions : IPart
{
    /// <value>A part of the parameter's name, as in <see cref="Targets.Matching"/>: "bias", "lm_head", "layers.0.".</value>
    public required string Pattern { get; init; }

    /// <value>r of projected or adapted matrices, at least 1; null for the method's.</value>
    public int? Rank { get; init; }

    /// <value>α of projected or adapted matrices, above 0; null for the method's.</value>
    public double? Scale { get; init; }

    /// <value>Factor on the learning rate, at least 0. Default 1.</value>
    public double LearningRate { get; init; } = 1;

    /// <value>Factor on the weight decay, at least 0; 0 for none. Default 1.</value>
    public double WeightDecay { get; init; } = 1;

    /// <value>How the moments are stored; null as the method does.</value>
    public StateFormat? States { get; init; }

    /// <value>Whether they are frozen (<c>requires_grad</c> is false) when the method is attached. They can be thawed at any time. Default false.</value>
    public bool Frozen { get; init; }

    internal bool SaysHowToUpdate => Rank is not null || Scale is not null || States is not null;

    /// <summary>Whether the row is for what goes by these names.</summary>
    internal bool IsFor(IEnumerable<string> names) => names.Any(name => name.Contains(Pattern, StringComparison.Ordinal));

    /// <summary>A plan with the factors of this row.</summary>
    internal ParameterPlan Applied(ParameterPlan plan) => plan with
    {
        LearningRateMultiplier = plan.LearningRateMultiplier * LearningRate,
        WeightDecayMultiplier = plan.WeightDecayMultiplier * WeightDecay,
    };

    /// <summary>Reports what is wrong with the rows of a method: with a row by itself, else with the method for whom the row is.</summary>
    internal static void Check(Checks checks, IReadOnlyList<ParameterOptions>? rows, Func<ParameterOptions, IEnumerable<string>> objections)
    {
        var path = checks.PathOf("Overrides");
        checks.Require(rows?.All(row => row is not null) == true, $"{path} is null, or holds null.");
        foreach (var row in (rows ?? []).OfType<ParameterOptions>())
            checks.Refuse((Checks.Of(row) is { Count: > 0 } wrong ? wrong : objections(row)).Select(objection => $"{path} for '{row.Pattern}': {objection}"));
    }

    /// <exception cref="ArgumentException">A row of a table is for no parameter, or says of none what it could.</exception>
    internal static void RequireUse(IReadOnlyList<ParameterOptions> rows, IReadOnlyList<NamedParameter> parameters, Func<NamedParameter, bool> isTarget)
    {
        var meant = parameters.ToLookup(candidate => rows.FirstOrDefault(row => row.IsFor(candidate.Names)));
        foreach (var row in rows)
            if (parameters.All(candidate => !row.IsFor(candidate.Names)))
                throw new ArgumentException($"'{row.Pattern}' in Overrides is a part of no parameter's name: they are "
                    + $"{parameters.Select(candidate => candidate.Name).Few(12)}. "
                    + $"{NearestNames.SentenceForPart(row.Pattern, parameters.SelectMany(candidate => candidate.Names))} Nothing was changed.");
            else if (!meant[row].Any())
                throw new ArgumentException($"'{row.Pattern}' in Overrides comes after rows that are for all of its parameters, and of several rows the first "
                    + "one counts: put it before them. Nothing was changed.");
            else if ((row.Rank is not null || row.Scale is not null) && !meant[row].Any(isTarget))
                throw new ArgumentException($"'{row.Pattern}' in Overrides gives {(row.Rank is null ? nameof(Scale) : nameof(Rank))}, and none of its "
                    + $"parameters is a target: {meant[row].Select(candidate => candidate.Name).Few(4)}. Leave it out, or pass Targets that choose them. "
                    + "Nothing was changed.");
    }

    /// <inheritdoc/>
    public void Check(Checks checks)
    {
        ArgumentNullException.ThrowIfNull(checks);
        checks
            .Require(!string.IsNullOrEmpty(Pattern), $"{checks.PathOf(nameof(Pattern))} is empty: it must be a part of a name.")
            .AtLeast(1, Rank)
            .Above(0, Scale)
            .AtLeast(0, LearningRate)
            .AtLeast(0, WeightDecay)
            .NoEffect(Frozen && (SaysHowToUpdate || LearningRate != 1 || WeightDecay != 1), nameof(Frozen),
                "what is frozen is not updated, and the other options say how. Leave them out, or leave out Frozen.");
    }
}
