using LowRankTraining.Text;

namespace LowRankTraining.Strategies;

/// <summary>GaLore: projects the gradient of each matrix into a small subspace and keeps Adam's moments there.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, every T steps P ← the r leading left singular vectors of G; R = PᵀG; N = Adam(R); W ← W − η α P N. For m &gt; n from the
/// right.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) numbers instead of 2 s l; less with another rule than Adam inside, see
/// <see cref="Inner"/>.</para>
/// <para>Differences from the paper: none by default. The subspace comes from a randomized SVD at first, and from one warm-started pass at each refresh, which
/// captures the same energy to within a percent at a fraction of the time; set <see cref="GradientSpaceMethod.Basis"/> for an exact one.
/// <see cref="Compatibility.ReferenceCode"/> follows the authors' AdamW: ε before bias correction, decay after the update, exact SVD.</para>
/// <para>Source: Zhao et al., GaLore, arXiv 2403.03507; GaLore 2, arXiv 2504.20437.</para>
/// </remarks>
public sealed record GaLore : GradientSpaceMethod
{
    /// <inheritdoc/>
    public override string Name => "galore";

    /// <value>The rule inside the subspace, and of everything outside, such as <see cref="AdafactorRule"/>, <see cref="SgdRule"/> or <see cref="LionRule"/>,
    /// with its moments stored in <see cref="AdamMethod.States"/>. Default: null, Adam with the numbers of these options.</value>
    [OwnByDefault]
    public DirectionRule? Inner { get; init; }

    /// <value>Whether tensors of more than two dimensions, such as convolutions, are projected along each of them (<see cref="TuckerRule"/>). Default false:
    /// as matrices of out × rest.</value>
    public bool Tucker { get; init; }

    /// <inheritdoc/>
    protected override bool DecaysAfterUpdate => Inner is null && base.DecaysAfterUpdate;

    /// <inheritdoc/>
    protected override DirectionRule InnerRule => Inner?.WithStates(States) ?? Adam;

    /// <inheritdoc/>
    protected override UpdateRule RuleForTarget(in ParameterRole target) =>
        Tucker && target.Parameter.dim() > 2 ? TuckerRule.Of(Subspace, Scale) : Subspace;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        CheckInner(checks, Inner);
        if (Tucker && OnRefresh is not null && BasisFormat is not null)
            checks.Refuse(TuckerRule.MissingFrom(Subspace));
    }

    /// <summary>GaLore in place of <c>torch.optim.AdamW</c>: AdamW whose moments live in a subspace of rank <paramref name="rank"/>.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed"
    /// or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate. GaLore's is about ten times that of plain AdamW; default 0.01 (GaLore).</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between two refreshes of the subspace. Default 200 (GaLore).</param>
    /// <param name="scale">Factor on the projected update. Default 0.25 (GaLore).</param>
    /// <param name="side">Which side is compressed. Default: the short one.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, ProjectionSide side = ProjectionSide.Short,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, scale, side, beta1, beta2, eps).Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    /// <summary>The same for the parameters of a model, whose modules tell which of them are embeddings.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, ProjectionSide, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        nn.Module model,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, ProjectionSide side = ProjectionSide.Short,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, scale, side, beta1, beta2, eps).Attach(model).CreateOptimizer(lr, weight_decay);

    /// <summary>The same with moments in 8 bits, but for those of embedding tables.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, ProjectionSide, double, double, double, double)"/>
    public static LowRankOptimizer AdamW8bit(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, ProjectionSide side = ProjectionSide.Short,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        (Of(rank, update_proj_gap, scale, side, beta1, beta2, eps) with { States = StateFormat.Blockwise8Bit })
        .Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    /// <summary>The same for the parameters of a model, with moments in 8 bits, but for those of embedding tables.</summary>
    /// <inheritdoc cref="AdamW(nn.Module, double, int, long, double, ProjectionSide, double, double, double, double)"/>
    public static LowRankOptimizer AdamW8bit(
        nn.Module model,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, ProjectionSide side = ProjectionSide.Short,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        (Of(rank, update_proj_gap, scale, side, beta1, beta2, eps) with { States = StateFormat.Blockwise8Bit })
        .Attach(model).CreateOptimizer(lr, weight_decay);

    private static GaLore Of(int rank, long refreshEvery, double scale, ProjectionSide side, double beta1, double beta2, double epsilon) => new()
    {
        Rank = rank,
        RefreshEvery = refreshEvery,
        Scale = scale,
        Side = side,
        Beta1 = beta1,
        Beta2 = beta2,
        Epsilon = epsilon,
    };
}
