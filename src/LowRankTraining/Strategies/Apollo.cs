namespace LowRankTraining.Strategies;

/// <summary>APOLLO: SGD whose step size for each row or column is what Adam would take, measured in a random projection. Adam's results at nearly SGD's
/// memory.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, with P of m × r drawn from N(0, 1/r) every T steps: R = PᵀG; N = Adam(R); φⱼ = ‖Nⱼ‖ / ‖Rⱼ‖; W ← W − η √a G diag(φ), its norm
/// kept from growing more than 1 % per step. Mini: r = 1 and a single φ. For m &gt; n from the right. <see cref="GradientSpaceMethod.Scale"/> is a.</para>
/// <para>State of a matrix with long side l: 2 r l + 1 numbers. P is drawn again at every use, from its key, and never stored.</para>
/// <para>Differences from the paper: none by default. The authors' code stores P, and its limiter keeps a zero norm and looks at norms before bias correction:
/// see <see cref="Compatibility.ReferenceCode"/>, which the limiter then follows too.</para>
/// <para>Source: Zhu et al., APOLLO, arXiv 2412.05270.</para>
/// </remarks>
public sealed record Apollo : GradientSpaceMethod
{
    /// <summary>The defaults: rank 256 (APOLLO, from 350M on; a quarter of the width below), a = 1, a Gaussian projection.</summary>
    public Apollo() => (Scale, Basis) = (1, new GaussianBasis());

    /// <value>APOLLO-Mini: rank 1, one factor for each matrix, a = 128 (APOLLO, section 5).</value>
    public static Apollo Mini { get; } = new() { Rank = 1, Scale = 128, Scaling = GradientScaling.Tensor };

    /// <inheritdoc/>
    public override string Name => "apollo";

    /// <inheritdoc/>
    protected override int DefaultRank => 256;

    /// <value>One factor per channel, or one for the matrix. Default: per channel (APOLLO).</value>
    public GradientScaling Scaling { get; init; }

    /// <value>Whether √a is applied before the limiter. Default false.</value>
    public bool ScaleBeforeLimiter { get; init; }

    /// <value>Keeps the norm of the update from growing too fast; null for nothing. Default: by 1 % per step (APOLLO).</value>
    public NormGrowthLimiter? Limiter { get; init; } = new();

    /// <inheritdoc/>
    protected override ILift Lift => new ScaledGradient
    {
        Scale = Scale,
        Scaling = Scaling,
        ScaleBeforeLimiter = ScaleBeforeLimiter,
        Compatibility = Compatibility,
        Limiter = FollowsCode && Limiter is not null ? Limiter with { Compatibility = Compatibility } : Limiter,
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Defined(Scaling)
            .OptionalPart(Limiter)
            .Unused(Limiter is not null && Scale != 1, ScaleBeforeLimiter, false, "it needs a Limiter, and a Scale other than 1");
    }

    /// <summary>APOLLO in place of <c>torch.optim.AdamW</c>: the gradient, scaled channel by channel as Adam scales its random projection of rank
    /// <paramref name="rank"/>.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed"
    /// or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 0.01 (APOLLO).</param>
    /// <param name="rank">Dimensions of the projection. Default 256.</param>
    /// <param name="update_proj_gap">Steps between two projections. Default 200 (APOLLO).</param>
    /// <param name="scale">Its square root multiplies the update. Default 1 (APOLLO).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 256, long update_proj_gap = 200, double scale = 1,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, scale, beta1, beta2, eps).Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    /// <summary>The same for the parameters of a model, whose modules tell which of them are embeddings.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        nn.Module model,
        double lr = 0.01, int rank = 256, long update_proj_gap = 200, double scale = 1,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, scale, beta1, beta2, eps).Attach(model).CreateOptimizer(lr, weight_decay);

    private static Apollo Of(int rank, long refreshEvery, double scale, double beta1, double beta2, double epsilon) =>
        new() { Rank = rank, RefreshEvery = refreshEvery, Scale = scale, Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon };
}
