namespace LowRankTraining.Strategies;

/// <summary>What the methods around Adam have in common.</summary>
public abstract record AdamMethod : UpdateMethod
{
    private readonly double? _epsilon;

    /// <value>β₁ of Adam, in [0, 1). Default 0.9.</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂ of Adam, in [0, 1). Default 0.999.</value>
    public double Beta2 { get; init; } = 0.999;

    /// <value>ε of Adam, at least 1e-18, in units of the gradient. Default 1e-8; under <see cref="Compatibility.ReferenceCode"/> that of the
    /// authors' code, 1e-6 for most.</value>
    public double Epsilon { get => _epsilon ?? (FollowsCode && !CodeHasPublishedAdam ? 1e-6 : 1e-8); init => _epsilon = value; }

    /// <value>Whether Adam corrects the bias of its moments. Default true.</value>
    public bool BiasCorrection { get; init; } = true;

    /// <value>How the moments are stored, of all parameters but the tables of embeddings: <see cref="StateFormat.Float32"/>,
    /// <see cref="StateFormat.BFloat16"/>, <see cref="StateFormat.Blockwise8Bit"/> or <see cref="StateFormat.Blockwise4Bit"/>. Default float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <value>How the moments of embedding tables are stored. Default: float32, whatever <see cref="States"/> is, as the authors of 8-bit optimizers advise:
    /// most rows of a table are without gradient at most steps, and a few have large ones.
    /// Tables are known by their module, or in a list of parameters by "embed" in the name.</value>
    public StateFormat TableStates { get; init; } = StateFormat.Float32;

    /// <value>Whether the Adam of the authors' code is the published one: ε of 1e-8, added after the correction of bias. Default false: that of most methods
    /// builds on an AdamW that adds 1e-6 before it, and decays weights after the update.</value>
    protected virtual bool CodeHasPublishedAdam => false;

    /// <inheritdoc/>
    protected override bool DecaysAfterUpdate => FollowsCode && !CodeHasPublishedAdam;

    /// <value>The Adam of the method, which is also the rule of everything that the method is not for.</value>
    protected virtual AdamRule Adam => new()
    {
        Beta1 = Beta1,
        Beta2 = Beta2,
        Epsilon = Epsilon,
        EpsilonAfterCorrection = !FollowsCode || CodeHasPublishedAdam,
        BiasCorrection = BiasCorrection,
        States = States,
    };

    /// <value>The rule of everything that the method is not for.</value>
    private protected virtual DirectionRule OtherRule => Adam;

    /// <summary>The rule of one of the targets. Default: Adam.</summary>
    /// <param name="target">The target.</param>
    protected virtual UpdateRule RuleForTarget(in ParameterRole target) => Adam;

    /// <inheritdoc/>
    protected override UpdateRule RuleFor(in ParameterRole role) =>
        role.IsTarget ? RuleForTarget(role) : role.IsTable ? OtherRule.WithStates(TableStates) : OtherRule;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Adam(Beta1, Beta2, Epsilon, States)
            .Moments(TableStates);
    }

    /// <inheritdoc/>
    protected override UpdateMethod With(ParameterOptions own)
    {
        ArgumentNullException.ThrowIfNull(own);
        if (own.Rank is not null || own.Scale is not null)
            return base.With(own);
        return own.States is { } states ? this with { States = states, TableStates = states } : this;
    }

    /// <summary>What is checked where a rule of the user's takes the place of Adam: Adam's numbers are then without effect.</summary>
    private protected void CheckInner(Checks checks, DirectionRule? inner)
    {
        if (inner is null)
            return;

        checks
            .Part(inner, "Inner")
            .Require(inner.WithStates(StateFormat.Float32).Equals(inner),
                $"{checks.PathOf("Inner")}.States has no effect: set {checks.PathOf(nameof(States))}, "
                + "which holds for everything but the tables of embeddings.");
        if (inner.NeedsMatrix)
            return;

        const string Why = "Inner takes the place of Adam: set it there";
        var unset = Unset(this);
        checks
            .Unused(false, Beta1, unset.Beta1, Why)
            .Unused(false, Beta2, unset.Beta2, Why)
            .Require(_epsilon is null or 1e-8, $"{checks.PathOf(nameof(Epsilon))} is set, but {Why}.")
            .Unused(false, BiasCorrection, unset.BiasCorrection, "Inner takes the place of Adam");
    }
}
