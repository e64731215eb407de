namespace LowRankTraining.Strategies;

/// <summary>Q-GaLore: GaLore with weights and moments in 8 bits and bases in 4, whose subspaces are found again less often the less they change.</summary>
/// <remarks>
/// <para>GaLore's equations. The weights of projected linear layers are <see cref="Int8Linear"/>s: decoded for each product, and after each update rounded
/// stochastically, so that updates below a code's width survive in expectation.</para>
/// <para>State of a matrix with short side s and long side l: r s / 2 + 5 ⌈r s / 256⌉ bytes of basis, 2 (r l + 4 ⌈r l / 256⌉) of moments. Its weight:
/// m n + 5 ⌈m n / 256⌉ bytes.</para>
/// <para>Differences from the authors' code: codes of the basis are packed; similarity looks at the whole subspace and knows no signs; the count starts again
/// after an enlargement; the subspace comes from a randomized SVD. <see cref="Compatibility.ReferenceCode"/> follows their refreshes and AdamW.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296.</para>
/// </remarks>
public sealed record QGaLore : GradientSpaceMethod
{
    /// <summary>Q-GaLore's formats: 4-bit bases, 8-bit moments.</summary>
    public QGaLore() => (BasisFormat, States) = (StateFormat.Affine4Bit, StateFormat.Blockwise8Bit);

    /// <inheritdoc/>
    public override string Name => "q-galore";

    /// <value>Mean similarity of old and new subspaces from which the gap between refreshes grows, in (0, 1]. Default 0.4 (Q-GaLore).</value>
    public double SimilarityThreshold { get; init; } = 0.4;

    /// <value>γ, what the gap is multiplied by; above 1. Default 2 (Q-GaLore).</value>
    public double GapGrowth { get; init; } = 2;

    /// <value>Similarities that are averaged; from 1 to 10,000. Default 5 (Q-GaLore).</value>
    public int RememberedSimilarities { get; init; } = 5;

    /// <value>Whether the projected weights of linear layers are kept in 8 bits. Needs the model: a list of parameters is trained as it is. Default true
    /// (Q-GaLore).</value>
    public bool QuantizesWeights { get; init; } = true;

    /// <value>Numbers of an 8-bit weight that share a scale; at least 1. Default 256 (Q-GaLore).</value>
    public int WeightGroup { get; init; } = AffineQuantization.DefaultGroup;

    /// <summary>The authors' 8-bit Adam adds ε after correction, as the paper does.</summary>
    protected override bool CodeHasPublishedAdam => true;

    /// <summary>They decay after the update all the same.</summary>
    protected override bool DecaysAfterUpdate => FollowsCode;

    /// <summary>Similarity is to be measured between subspaces that were found independently.</summary>
    protected override IBasis OwnBasis => ColdBasis;

    /// <inheritdoc/>
    protected override IRefreshPolicy OwnRefresh => new LazyRefresh
    {
        Every = RefreshEvery,
        Threshold = SimilarityThreshold,
        Growth = GapGrowth,
        Remembered = RememberedSimilarities,
        Compatibility = Compatibility,
    };

    private protected override ILowRankSession Install(nn.Module model, Func<ILowRankSession> plan)
    {
        if (!QuantizesWeights)
            return plan();

        using var earlier = PrequantizedLayers.StandIn(model);
        return QuantizedSession.Over(model, plan(), earlier, WeightGroup, Logger);
    }

    /// <summary>Keeps the weights of a part of a model in 8 bits from now on, before the next part is made: a model whose parts go through here one by one
    /// never has more than one of them in full. <see cref="UpdateMethod.Attach(nn.Module, Targets?, GradientFlow)"/> takes the layers as they are.</summary>
    /// <typeparam name="TPart">Its type.</typeparam>
    /// <param name="part">The part, such as one decoder layer, with its initial or loaded weights. Its linear layers are replaced where they are held as
    /// <c>Module&lt;Tensor, Tensor&gt;</c>; others stay, with a warning.</param>
    /// <param name="targets">The weights of the part that are kept in 8 bits; the method's own choice when null.</param>
    /// <returns>The part.</returns>
    /// <exception cref="ArgumentException">No weight of the part can be kept in 8 bits.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public TPart Quantize<TPart>(TPart part, Targets? targets = null) where TPart : nn.Module
    {
        Checks.Require(this);
        var chosen = Targets.Of(targets, DefaultTargets)!;
        var parameters = NamedParameter.Of(part);
        Logger?.Unused(Name, chosen.Unused(parameters));
        var sites = Site.Find(part, parameters.Where(candidate => !candidate.IsFrozen && candidate.IsMatrix && chosen.Includes(candidate)));
        var quantized = QuantizedLayers.In(sites, site => new Int8Linear(site.Linear!, WeightGroup), Name, Logger);
        return quantized.Layers.Count > 0 ? part : throw new ArgumentException(
            $"No weight of this {part.GetName()} can be kept in 8 bits: {string.Join("; ", quantized.Reasons.Select(pair => $"{pair.Key} ({pair.Value})"))}");
    }

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        const string Replaced = "Refresh says when the subspace is found again: put a LazyRefresh there";
        checks
            .Ratio(SimilarityThreshold)
            .Above(1, GapGrowth)
            .Between(1, LazyRefresh.MostRemembered, RememberedSimilarities)
            .AtLeast(1, WeightGroup)
            .Unused(false, Staggered, false, "lazy refreshes drift apart by themselves")
            .Unused(Refresh is null, SimilarityThreshold, 0.4, Replaced)
            .Unused(Refresh is null, GapGrowth, 2, Replaced)
            .Unused(Refresh is null, RememberedSimilarities, 5, Replaced)
            .Unused(QuantizesWeights, WeightGroup, AffineQuantization.DefaultGroup, "QuantizesWeights is false");
    }

    /// <summary>Q-GaLore in place of <c>torch.optim.AdamW</c>: AdamW with 8-bit moments in a subspace whose basis has 4 bits, and 8-bit weights.</summary>
    /// <param name="model">The model, whose linear layers are replaced by 8-bit ones where it holds them in fields of type <c>Module&lt;Tensor, Tensor&gt;</c>.
    /// Embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are left as they are.</param>
    /// <param name="lr">Learning rate; default 0.015 (Q-GaLore, 60M and 130M).</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between the first refreshes of the subspace. Default 200 (Q-GaLore).</param>
    /// <param name="scale">Factor on the projected update. Default 0.25 (Q-GaLore).</param>
    /// <param name="cos_threshold">Mean similarity of subspaces from which the gap grows. Default 0.4 (Q-GaLore).</param>
    /// <param name="gamma_proj">What the gap is multiplied by. Default 2 (Q-GaLore).</param>
    /// <param name="queue_size">Similarities that are averaged. Default 5 (Q-GaLore).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <remarks>Call <c>optimizer.Session.Finish()</c> to get plain layers back.</remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW8bit(
        nn.Module model,
        double lr = 0.015, int rank = 128, long update_proj_gap = 200, double scale = 0.25,
        double cos_threshold = 0.4, double gamma_proj = 2, int queue_size = 5,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, scale, cos_threshold, gamma_proj, queue_size, beta1, beta2, eps).Attach(model).CreateOptimizer(lr, weight_decay);

    /// <summary>The same with weights as they are: without the model its layers cannot be replaced.</summary>
    /// <inheritdoc cref="AdamW8bit(nn.Module, double, int, long, double, double, double, int, double, double, double, double)"/>
    public static LowRankOptimizer AdamW8bit(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.015, int rank = 128, long update_proj_gap = 200, double scale = 0.25,
        double cos_threshold = 0.4, double gamma_proj = 2, int queue_size = 5,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, scale, cos_threshold, gamma_proj, queue_size, beta1, beta2, eps)
        .Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    private static QGaLore Of(
        int rank, long refreshEvery, double scale, double threshold, double growth, int remembered, double beta1, double beta2, double epsilon) => new()
    {
        Rank = rank,
        RefreshEvery = refreshEvery,
        Scale = scale,
        SimilarityThreshold = threshold,
        GapGrowth = growth,
        RememberedSimilarities = remembered,
        Beta1 = beta1,
        Beta2 = beta2,
        Epsilon = epsilon,
    };
}
