using LowRankTraining.Text;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>A method that re-parameterizes the model: it puts low-rank factors beside weights, or in their place.</summary>
public abstract record WeightSpaceMethod : ILowRankStrategy, IPart
{
    private readonly int? _rank;

    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <value>r, at least 1. Above a matrix's short side it is lowered to that side, with a warning. Default 128 for methods that train from scratch and 8 for
    /// most that fine-tune, see each one's default; a matrix for which nobody has asked for a rank and whose factors would take more state than AdamW is
    /// trained as it is, where <see cref="TrainOthers"/> lets it.</value>
    public int Rank { get => _rank ?? DefaultRank; init => _rank = value; }

    /// <value>α, above 0; the factors' product is scaled by s = α/r, or α/√r with <see cref="RankStabilized"/>. s does not change when a rank is lowered.
    /// Default 32.</value>
    public virtual double Alpha { get; init; } = 32;

    /// <value>Whether s = α/√r, so that large ranks are not held back (Kalajdzievski, rsLoRA, arXiv 2312.03732). Default false.</value>
    public bool RankStabilized { get; init; }

    /// <value>Probability with which an input entry does not reach the factors, in [0, 1). Layers that are shadowed see no inputs: under
    /// <see cref="Injection.Shadow"/> it is refused. Default 0.</value>
    public double Dropout { get; init; }

    /// <value>How the factors enter the model. Default: layer by layer the first way that works.</value>
    public Injection Injection { get; init; }

    /// <value>Whether what is not adapted (embeddings, head, norms, biases) is trained too, by full-rank Adam. Default true; false freezes it, as is usual for
    /// fine-tuning.</value>
    public virtual bool TrainOthers { get; init; } = true;

    /// <value>β₁ of Adam, in [0, 1). Default 0.9.</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂ of Adam, in [0, 1). Default 0.999.</value>
    public double Beta2 { get; init; } = 0.999;

    /// <value>ε of Adam, at least 1e-18, in units of the gradient. Default 1e-8.</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>How Adam's moments are stored, of the factors and of everything else that is trained but the tables of embeddings:
    /// <see cref="StateFormat.Float32"/>, <see cref="StateFormat.BFloat16"/>, <see cref="StateFormat.Blockwise8Bit"/> or
    /// <see cref="StateFormat.Blockwise4Bit"/>. Default float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <value>How the moments of embedding tables are stored. Default: float32, whatever <see cref="States"/> is, as the authors of 8-bit optimizers advise:
    /// most rows of a table are without gradient at most steps, and a few have large ones.</value>
    public StateFormat TableStates { get; init; } = StateFormat.Float32;

    /// <value>Whether a rank above a matrix's short side is an error. Default false.</value>
    public bool Strict { get; init; }

    /// <value>Whether an adapted layer that the model has not run in the first two steps is reported and left alone, as an expert that is rarely chosen.
    /// Default false: it is an error.</value>
    public bool AllowUnreached { get; init; }

    /// <value>Seed of the factors, of random masks and of stochastic rounding. Default 0.</value>
    public ulong Seed { get; init; }

    /// <value>What is done otherwise with parameters of some names: factors on learning rate and weight decay, of factors of adapted matrices too; the format
    /// of the moments of what is not adapted; frozen, and then not adapted either. Rank and α (<see cref="ParameterOptions.Scale"/>) of adapted matrices, for
    /// LoRA and its kin. Of the rows that match a name the first counts; one that matches none is an error. Default: none.</value>
    public IReadOnlyList<ParameterOptions> Overrides { get; init => field = value is { Count: 0 } ? [] : value; } = [];

    /// <value>Where restarts and warnings are reported; null for nowhere.</value>
    public ILogger? Logger { get; init; }

    /// <value>The rank where nobody has asked for one. Default 128.</value>
    protected virtual int DefaultRank => 128;

    /// <value>Whether somebody has asked for a rank, of all matrices or of some.</value>
    private protected virtual bool AsksForRanks => _rank is not null;

    /// <summary>The Adam of everything that is trained, but for the tables of embeddings.</summary>
    private protected AdamRule Adam => new() { Beta1 = Beta1, Beta2 = Beta2, Epsilon = Epsilon, States = States };

    /// <summary>What is done to a model.</summary>
    private protected abstract AdapterMethod Method { get; }

    /// <summary>What every method is told.</summary>
    private protected AdapterSettings Settings => new()
    {
        Method = this,
        Rank = Rank,
        Adam = Adam,
        TableStates = TableStates,
        Seed = Seed,
        Dropout = Dropout,
        RankStabilized = RankStabilized,
        Injection = Injection,
        TrainOthers = TrainOthers,
        Strict = Strict,
        AllowUnreached = AllowUnreached,
        SparesSmall = TrainOthers && !AsksForRanks,
        Own = Overrides,
    };

    /// <value>Whether rank and α can be given for single matrices.</value>
    private protected virtual bool ChoosesRanksByName => false;

    /// <summary>How factors are made and trained, with these features.</summary>
    private protected FactorSettings FactorsWith(params FactorFeature?[] features) =>
        new(Settings) { Features = [.. features.OfType<FactorFeature>()] };

    /// <summary>Puts the method to work on <paramref name="model"/>. May re-parameterize it, but does not change the function that it computes, except for a
    /// method that starts from scratch and says so.</summary>
    /// <param name="model">The model. The optimizer is made after it has been moved to its device and dtype.</param>
    /// <param name="targets">The matrices to adapt; all linear weights but the output head when null.</param>
    /// <param name="gradients">What becomes of the gradients of weights under <see cref="Injection.Shadow"/>, the only ones that are formed: with
    /// <see cref="GradientFlow.Projected"/> those of the factors are computed in the backward pass, ∂A = s (δ B)ᵀ x and ∂B = s δᵀ(x Aᵀ), in their place.
    /// Default: whole gradients.</param>
    /// <exception cref="OptionsValidationException">Options out of range, or without effect beside the others; all of them are listed.</exception>
    /// <exception cref="NotSupportedException"><see cref="GradientFlow.Stepped"/>. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">Another session takes the gradients of a layer already. Nothing was changed.</exception>
    public virtual AdapterSession Attach(nn.Module model, Targets? targets = null, GradientFlow gradients = GradientFlow.Whole)
    {
        RequireFlow(gradients);
        return AdapterPlanner.Attach(model, targets, Checks.Require(this).Method, gradients);
    }

    ILowRankStrategy ILowRankStrategy.WithLogger(ILogger? logger) => this with { Logger = logger };

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets, GradientFlow gradients) => Attach(model, targets, gradients);

    /// <summary>Refuses a flow that factors cannot have.</summary>
    private protected void RequireFlow(GradientFlow gradients)
    {
        GradientFlows.RequireDefined(gradients);
        if (gradients == GradientFlow.Stepped)
            throw new NotSupportedException($"'{Name}' cannot take gradients by {nameof(GradientFlow)}.{gradients}, only by {GradientFlow.Whole} and "
                + $"{GradientFlow.Projected}: factors are merged, restarted and resized between steps, and not in the backward pass.");
    }

    /// <summary>The method in its text form, with the options that are not as by default: <c>{"Method":"lora","Rank":64}</c>;
    /// <see cref="LowRankStrategies.Parse(string)"/> reads it.</summary>
    public sealed override string ToString() => MethodText.Of(this);

    ParameterPlan ILowRankStrategy.PlanAdded(string name, TorchSharp.Modules.Parameter parameter, bool isTarget) => isTarget
        ? throw new NotSupportedException($"'{Name}' changes the model, and is attached to it: a group of parameters cannot be given to it. "
            + "Take a method that projects, such as GaLore, or attach this one to the whole model.")
        : Settings.PlanOf(new(name, parameter, [new(name, null)]));

    /// <inheritdoc/>
    public virtual void Check(Checks checks)
    {
        CheckRank(checks);
        checks.Above(0, Alpha)
            .Fraction(Dropout)
            .Defined(Injection)
            .Adam(Beta1, Beta2, Epsilon, States)
            .Moments(TableStates)
            .NoEffect(TableStates != StateFormat.Float32 && !TrainOthers, nameof(TableStates),
                "TrainOthers is false, so that no table is trained. Leave it out.");
        ParameterOptions.Check(checks, Overrides, ObjectionsTo);
    }

    private IEnumerable<string> ObjectionsTo(ParameterOptions own)
    {
        if (!ChoosesRanksByName && (own.Rank is not null || own.Scale is not null))
            yield return $"{GetType().Name} has one rank and scale for all matrices.";
        if (own.States is { } states)
            foreach (var objection in Checks.Of(this with { Overrides = [], States = states }).Except(Checks.Of(this with { Overrides = [] })))
                yield return objection;
    }

    /// <summary>s for factors of a rank.</summary>
    private protected double ScaleOf(double alpha, long rank) => FactorScale.Of(alpha, rank, RankStabilized);

    /// <summary>Reports a rank that cannot be.</summary>
    private protected virtual void CheckRank(Checks checks) => checks.AtLeast(1, Rank);

    /// <summary>Reports moments that would not be stored as asked, for methods that keep them in float32.</summary>
    private protected void CheckExactStates(Checks checks, string reason) => checks.Require(
        States == StateFormat.Float32,
        $"{checks.PathOf(nameof(States))} is {States}: {reason}, in float32. Use {nameof(StateFormat)}.{nameof(StateFormat.Float32)}.");
}
