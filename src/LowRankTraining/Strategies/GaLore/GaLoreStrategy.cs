using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>GaLore: projects the gradient of each matrix into a small subspace and keeps Adam's moments there.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, every T steps P ← the r leading left singular vectors of G; R = PᵀG; N = Adam(R); W ← W − η α P N. For m &gt; n from the right.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) numbers instead of 2 s l; less with another rule than Adam inside, see <see cref="GaLoreOptions.Inner"/>.</para>
/// <para>Differences from the paper: none by default. The subspace comes from a randomized SVD at first, and from one warm-started pass at each refresh, which captures the same energy to within a percent at a fraction of the time; set <see cref="GradientSpaceOptions.Basis"/> for an exact one.
/// <see cref="Compatibility.ReferenceCode"/> follows the authors' AdamW: ε before bias correction, decay after the update, exact SVD.</para>
/// <para>Source: Zhao et al., GaLore, arXiv 2403.03507; GaLore 2, arXiv 2504.20437.</para>
/// </remarks>
public sealed class GaLoreStrategy : GradientSpaceStrategy<GaLoreOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public GaLoreStrategy(GaLoreOptions? options = null) : base("galore", new GaLoreOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    private protected override UpdateRule ProjectedTensor => Options.HigherOrder == HigherOrder.Reshape ? Projected : Tucker(Recipe(Options), Options.Scale);

    private static TuckerRule Tucker(SubspaceRule recipe, double scale) => new()
    {
        Rank = recipe.Rank,
        Basis = recipe.Basis,
        Refresh = recipe.Refresh,
        Inner = recipe.Inner,
        Scale = scale,
    };

    private protected override UpdateRule Full(GaLoreOptions options) => options.InnerRule;

    internal static SubspaceRule Recipe(GaLoreOptions options) =>
        options.Project(options.InnerRule, new ProjectBack { Scale = options.Scale }, options.Side);
}
