using LowRankTraining.Rules;

namespace LowRankTraining.Strategies;

/// <summary>What the methods around Adam have in common.</summary>
public abstract record AdamOptions : UpdateOptions
{
    private readonly double? _epsilon;

    /// <value>β₁ of Adam, in [0, 1). Default 0.9.</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂ of Adam, in [0, 1). Default 0.999.</value>
    public double Beta2 { get; init; } = 0.999;

    /// <value>ε of the inner rule, at least 1e-18, in units of the gradient. Default 1e-8; under <see cref="Compatibility.ReferenceCode"/> that of the
    /// authors' code, 1e-6 for most.</value>
    public double Epsilon { get => _epsilon ?? (FollowsCode ? CodeEpsilon : 1e-8); init => _epsilon = value; }

    /// <summary>ε of the authors' code. That of most methods builds on one AdamW.</summary>
    internal virtual double CodeEpsilon => 1e-6;

    /// <value>Whether Adam corrects the bias of its moments. Default true.</value>
    public bool BiasCorrection { get; init; } = true;

    /// <value>How the moments are stored, of all parameters but the tables of embeddings: <see cref="StateFormat.Float32"/>,
    /// <see cref="StateFormat.BFloat16"/>,
    /// <see cref="StateFormat.Blockwise8Bit"/> or <see cref="StateFormat.Blockwise4Bit"/>. Default float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <value>How the moments of embedding tables are stored. Default: float32, whatever <see cref="States"/> is, as the authors of 8-bit optimizers advise:
    /// most rows of a table are without gradient at most steps, and a few have large ones.
    /// Tables are known by their module, or in a list of parameters by "embed" in the name.</value>
    public StateFormat TableStates { get; init; } = StateFormat.Float32;

    /// <summary>The Adam of the method, which is also the rule of everything that the method is not for.</summary>
    internal virtual AdamRule Adam => new()
    {
        Beta1 = Beta1,
        Beta2 = Beta2,
        Epsilon = Epsilon,
        EpsilonAfterCorrection = !FollowsCode,
        BiasCorrection = BiasCorrection,
        States = States,
    };

    /// <summary>The rules that the options of every such method obey.</summary>
    internal OptionsRules AdamRules() => new OptionsRules()
        .Fraction(Beta1)
        .Fraction(Beta2)
        .AtLeast(1e-18, Epsilon)
        .OneOf(Compatibility, Enum.GetValues<Compatibility>())
        .StoresMomentsIn(States)
        .StoresMomentsIn(TableStates, nameof(TableStates));
}
