namespace LowRankTraining.Strategies;

/// <summary>AdaRankGrad: GaLore with as many dimensions as the gradient needs, fewer and fewer as training goes on.</summary>
/// <remarks>
/// <para>P spans the smallest subspace with ‖G − P PᵀG‖² ≤ η ‖G‖², found by a block range finder (<see cref="AdaptiveRankBasis"/>); it is used until it
/// captures too little of the gradient (<see cref="EnergyRefresh"/>), and then found again. Moments follow the change of subspace and of rank. R = PᵀG; W ← W
/// − η α P Adam(R). <see cref="GradientSpaceMethod.Rank"/> is the largest rank.</para>
/// <para>State of a matrix with short side s and long side l at its present rank r: r (s + 2 l) numbers. A plan made before training counts the largest
/// rank.</para>
/// <para>Differences from the paper: the printed rule takes a supremum, which is the full rank, and is read as a minimum; V ← C V could be negative, so
/// variances follow by LDAdam's rule; the convergence test, whose threshold has the gradient's scale and is not published, asks for the captured energy. There
/// is no code of the authors.</para>
/// <para>Source: Refael et al., AdaRankGrad, arXiv 2410.17881.</para>
/// </remarks>
public sealed record AdaRankGrad : GradientSpaceMethod
{
    /// <summary>The defaults: a basis that captures 0.7 of the energy when it is found, and is left below 0.35 of it; moments by
    /// <see cref="MomentCarryOver.ProjectionAware"/>.</summary>
    public AdaRankGrad() => (Basis, Refresh, OnRefresh) = (new AdaptiveRankBasis(), new EnergyRefresh(), MomentCarryOver.ProjectionAware);

    /// <inheritdoc/>
    public override string Name => "adarankgrad";
}
