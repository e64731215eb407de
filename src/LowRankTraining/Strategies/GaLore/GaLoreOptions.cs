using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="GaLoreStrategy"/>.</summary>
public sealed record GaLoreOptions : GradientSpaceOptions
{
    /// <value>α, a factor on the projected update; above 0. Default 0.25 (GaLore, section 5.1).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>The rule inside the subspace, and of everything outside. Default: Adam.</value>
    public GaLoreInner Inner { get; init; }

    /// <value>The rule of <see cref="GaLoreInner.Adafactor"/>; <see cref="AdamOptions.States"/> is taken from these options. Default: GaLore's own, without first moment.</value>
    public AdafactorRule Adafactor { get; init; } = new();

    /// <value>The rule of <see cref="GaLoreInner.Sgd"/>; <see cref="AdamOptions.States"/> is taken from these options. Default: momentum 0.9.</value>
    public SgdRule Sgd { get; init; } = new();

    /// <value>The rule of <see cref="GaLoreInner.Lion"/>; <see cref="AdamOptions.States"/> is taken from these options. Default: β 0.9 and 0.99 (Lion).</value>
    public LionRule Lion { get; init; } = new();

    /// <value>What is done with tensors of more than two dimensions, such as convolutions. Default: they are treated as out × rest.</value>
    public HigherOrder HigherOrder { get; init; }

    internal override DecayTiming Decay => Inner == GaLoreInner.AdamW ? base.Decay : DecayTiming.BeforeUpdate;

    internal DirectionRule InnerRule => Inner switch
    {
        GaLoreInner.Adafactor => Adafactor with { States = States },
        GaLoreInner.Sgd => Sgd with { States = States },
        GaLoreInner.Lion => Lion with { States = States },
        _ => Adam,
    };
}

/// <summary>The rule that GaLore runs inside its subspace.</summary>
public enum GaLoreInner
{
    /// <summary>Adam, with decoupled weight decay.</summary>
    AdamW,

    /// <summary>Adafactor.</summary>
    Adafactor,

    /// <summary>Stochastic gradient descent with momentum.</summary>
    Sgd,

    /// <summary>Lion.</summary>
    Lion,
}

/// <summary>How a tensor of more than two dimensions is projected.</summary>
public enum HigherOrder
{
    /// <summary>As a matrix of out × rest.</summary>
    Reshape,

    /// <summary>Along each dimension: <see cref="TuckerRule"/>.</summary>
    Tucker,
}

/// <summary>Finds every violation in <see cref="GaLoreOptions"/> at once.</summary>
public sealed class GaLoreOptionsValidator : IValidateOptions<GaLoreOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, GaLoreOptions options) => options.Rules()
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .OneOf(options.Inner, Enum.GetValues<GaLoreInner>())
        .Obey(options.Adafactor)
        .Obey(options.Sgd)
        .Obey(options.Lion)
        .OneOf(options.HigherOrder, Enum.GetValues<HigherOrder>())
        .Fits(GaLoreStrategy.Recipe(options), options.AccumulatesInSubspace)
        .FitsTucker(GaLoreStrategy.Recipe(options), options.HigherOrder == HigherOrder.Tucker)
        .Result;
}
