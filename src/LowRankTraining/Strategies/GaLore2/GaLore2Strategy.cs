using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>GaLore 2: GaLore with a randomized SVD, for long runs of large models.</summary>
/// <remarks>
/// <para>As <see cref="GaLoreStrategy"/>, with the subspace from a random sketch of r + p columns and q passes of power iteration: (4 + 4q) m n (r + p) operations instead of an SVD's.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) numbers.</para>
/// <para>Differences from the paper: none known; it publishes neither code nor p and q. Its sharding over machines is not here.</para>
/// <para>Source: Su et al., GaLore 2, arXiv 2504.20437; Halko, Martinsson and Tropp, SIAM Review 53 (2011).</para>
/// </remarks>
public sealed class GaLore2Strategy : GradientSpaceStrategy<GaLore2Options>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public GaLore2Strategy(GaLore2Options? options = null) : base("galore2", new GaLore2OptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    internal static SubspaceRule Recipe(GaLore2Options options) => options.Project(options.Adam, new ProjectBack { Scale = options.Scale }, options.Side);
}
