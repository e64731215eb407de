using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>AdaRankGrad: GaLore with as many dimensions as the gradient needs, fewer and fewer as training goes on.</summary>
/// <remarks>
/// <para>P spans the smallest subspace with ‖G − P PᵀG‖² ≤ η ‖G‖², found by a block range finder; it is used until it captures too little of the gradient, and then found anew. Moments follow the change of subspace and of rank.
/// R = PᵀG; W ← W − η α P Adam(R).</para>
/// <para>State of a matrix with short side s and long side l at its present rank r: r (s + 2 l) numbers. A plan made before training counts the largest rank.</para>
/// <para>Differences from the paper: the printed rule takes a supremum, which is the full rank, and is read as a minimum; V ← C V could be negative, so variances follow by LDAdam's rule;
/// the convergence test, whose threshold has the gradient's scale and is not published, asks for the captured energy. There is no code of the authors.</para>
/// <para>Source: Refael et al., AdaRankGrad, arXiv 2410.17881.</para>
/// </remarks>
public sealed class AdaRankGradStrategy : GradientSpaceStrategy<AdaRankGradOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public AdaRankGradStrategy(AdaRankGradOptions? options = null) : base("adarankgrad", new AdaRankGradOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    internal static SubspaceRule Recipe(AdaRankGradOptions options) => options.Project(options.Adam, new ProjectBack { Scale = options.Scale }, options.Side) with
    {
        Refresh = options.Refresh ?? new EnergyRefresh { Least = options.Least, LookEvery = options.LookEvery, AtLeast = options.MinDwell, AtMost = options.MaxDwell },
    };
}
