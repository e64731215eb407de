using LowRankTraining.Text;

namespace LowRankTraining.Strategies;

/// <summary>Fira: GaLore, plus the part of the gradient outside the subspace, scaled as Adam scales the part inside. Full-rank training at low-rank
/// memory.</summary>
/// <remarks>
/// <para>With P, R and N as in <see cref="GaLore"/>: S = (G − P R) diag(‖Nⱼ‖ / ‖Rⱼ‖), its norm kept from growing more than 1 % per step;
/// W ← W − η (α P N + κ S).</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) + 1 numbers.</para>
/// <para>Differences from the paper: none by default. The authors' code subtracts α P R where the paper has P R, and keeps a zero norm: see
/// <see cref="Compatibility.ReferenceCode"/>, which the limiter then follows too.</para>
/// <para>Source: Chen et al., Fira, arXiv 2410.01623.</para>
/// </remarks>
public sealed record Fira : ResidualMethod
{
    /// <inheritdoc/>
    public override string Name => "fira";

    /// <value>The rule inside the subspace, and of everything outside, such as <see cref="RmsPropRule"/>, with its moments stored in
    /// <see cref="AdamMethod.States"/>. Default: null, Adam with the numbers of these options.</value>
    [OwnByDefault]
    public DirectionRule? Inner { get; init; }

    /// <inheritdoc/>
    protected override DirectionRule InnerRule => Inner?.WithStates(States) ?? Adam;

    /// <inheritdoc/>
    protected override ILift Lift => FollowsCode
        ? Residual with { Compatibility = Compatibility, Limiter = Limiter is null ? null : Limiter with { Compatibility = Compatibility } }
        : Residual;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        CheckInner(checks, Inner);
    }

    /// <summary>Fira in place of <c>torch.optim.AdamW</c>: AdamW with moments in a subspace of rank <paramref name="rank"/>, and the scaled residual outside
    /// it.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed"
    /// or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 0.01 (Fira).</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between two refreshes of the subspace. Default 200 (Fira).</param>
    /// <param name="alpha">Factor on the step inside the subspace. Default 0.25 (Fira).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double alpha = 0.25,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, alpha, beta1, beta2, eps).Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    /// <summary>The same for the parameters of a model, whose modules tell which of them are embeddings.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        nn.Module model,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double alpha = 0.25,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Of(rank, update_proj_gap, alpha, beta1, beta2, eps).Attach(model).CreateOptimizer(lr, weight_decay);

    private static Fira Of(int rank, long refreshEvery, double alpha, double beta1, double beta2, double epsilon) =>
        new() { Rank = rank, RefreshEvery = refreshEvery, Scale = alpha, Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon };
}
