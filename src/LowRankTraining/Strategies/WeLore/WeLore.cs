namespace LowRankTraining.Strategies;

/// <summary>WeLore: finds out which weights of a trained model are nearly of low rank, makes factors of these, and trains nothing else.</summary>
/// <remarks>
/// <para>Ranks come from the spectra, see <see cref="WeLorePlan"/>. Low-rank components become y = (x Vᵀ) Uᵀ + b with U = U_k √Σ_k and V = √Σ_k V_kᵀ and are
/// trained by Adam; the other targets stay dense and frozen, as do embeddings and head; norms and biases are trained unless
/// <see cref="WeightSpaceMethod.TrainOthers"/> is false. <see cref="ILowRankSession.Finish"/> multiplies the factors into plain weights.</para>
/// <para>State of a low-rank component of m × n: 2 k (m + n) numbers, beside k (m + n) for the factors; of anything else that is a matrix: none. For N rows
/// 6 N k (m + n) operations, 4 N m n for a frozen matrix.</para>
/// <para>Differences from the authors' code: κ is searched, where they have a table for two models; matrices whose singular values are all equal are kept,
/// where they divide by zero.</para>
/// <para>Source: Jaiswal et al., From Low Rank Gradient Subspace Stabilization to Low-Rank Weights (WeLore), arXiv 2407.11239.</para>
/// </remarks>
public sealed record WeLore : FactorizedLayerMethod
{
    private const double Half = 0.5;

    /// <inheritdoc/>
    public override string Name => "welore";

    /// <value>0: the spectra decide on the ranks, and any other one is refused.</value>
    protected override int DefaultRank => 0;

    private protected override bool AsksForRanks => true;

    /// <value>The share of all singular values to take away, in (0, 1). Default 0.5 (WeLore's headline setting).</value>
    public double Ratio { get; init; } = Half;

    /// <value>The share of its singular values that a matrix loses before it becomes factors, in [0, 1]; 0 makes factors of all of them, some larger than the
    /// matrix; null of those whose factors are smaller than the matrix, k below m n / (m + n). Default 0.5 (WeLore's fine-tuning).</value>
    public double? MinRatio { get; init; } = Half;

    /// <value>A plan made before, for instance from the model that a checkpoint comes from; null to make one. Default null.</value>
    public WeLorePlan? Plan { get; init; }

    /// <value>Of what does not become factors, only norms and biases are trained.</value>
    private protected override AdapterMethod Method => new ReplacingMethod(Settings, LayerFor) { Ranks = Plan?.Ranks, TrainsOtherMatrices = false };

    /// <inheritdoc/>
    protected override ReparameterizedLinear LayerFor(string weight, Linear plain, int rank, ulong key) =>
        new FactorizedLinear(plain.bias, FactorPair.OfSvd(plain.weight, rank, key));

    /// <summary>What <see cref="Attach"/> would do. The model is not changed.</summary>
    /// <param name="model">A trained model.</param>
    /// <param name="targets">The matrices to look at; all linear weights but the output head when null.</param>
    public WeLorePlan PlanFor(nn.Module model, Targets? targets = null) => Plan ?? WeLorePlan.For(model, targets, Ratio, MinRatio);

    /// <summary>Puts factors in the place of the weights that are nearly of low rank, and freezes the others.</summary>
    /// <param name="model">A trained model, already on its device and in its dtype.</param>
    /// <param name="targets">The matrices to look at; all linear weights but the output head when null.</param>
    /// <param name="gradients">Without effect: the frozen weights have no gradients.</param>
    /// <exception cref="ArgumentException">No matrix is a low-rank component. Nothing was changed.</exception>
    public override AdapterSession Attach(nn.Module model, Targets? targets = null, GradientFlow gradients = GradientFlow.Whole)
    {
        RequireFlow(gradients);
        var plan = Checks.Require(this).PlanFor(model, targets);
        var components = plan.Layers.Where(layer => layer.IsLowRank).Select(layer => layer.Name).ToHashSet();
        if (components.Count == 0)
            throw new ArgumentException(FormattableString.Invariant($"At a ratio of {plan.Ratio} none of the {plan.Layers.Count} matrices loses enough of its ")
                + "singular values to become factors. Raise Ratio, lower MinRatio, or set it to null. Nothing was changed.");

        Logger?.Planned(Name, plan);
        return AdapterPlanner.Attach(model, Targets.Exactly("the components of low rank", components), (this with { Plan = plan }).Method, gradients);
    }

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.Share(Ratio)
            .Between(0, 1, MinRatio)
            .NoEffect(TableStates != StateFormat.Float32 && TrainOthers, nameof(TableStates), "tables of embeddings stay frozen. Leave it out.")
            .Require(Plan is null || (Ratio, MinRatio) == (Half, Half),
                $"{checks.PathOf(nameof(Plan))} is set, so that Ratio and MinRatio have no effect: leave both out, or make the plan with them.");
    }

    private protected override void CheckRank(Checks checks) =>
        checks.NoEffect(Rank != 0, nameof(Rank), "the spectra decide on the ranks. Leave it out, and set Ratio.");
}
