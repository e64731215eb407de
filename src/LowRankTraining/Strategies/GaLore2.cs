namespace LowRankTraining.Strategies;

/// <summary>GaLore 2: GaLore with a randomized SVD, for long runs of large models.</summary>
/// <remarks>
/// <para>As <see cref="GaLore"/>, with the subspace from a random sketch of r + p columns and q passes of power iteration: (4 + 4q) m n (r + p) operations
/// instead of an SVD's. p and q are those of <see cref="GradientSpaceMethod.Basis"/>: 8 and 1 (Halko et al.).</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) numbers.</para>
/// <para>Differences from the paper: none known; it publishes neither code nor p and q. Its sharding over machines is not here.</para>
/// <para>Source: Su et al., GaLore 2, arXiv 2504.20437; Halko, Martinsson and Tropp, SIAM Review 53 (2011).</para>
/// </remarks>
public sealed record GaLore2 : GradientSpaceMethod
{
    /// <summary>The defaults: a new subspace every 500 steps (GaLore, 7B), from a randomized SVD.</summary>
    public GaLore2() => (RefreshEvery, Basis) = (500, new RandomizedSvdBasis());

    /// <inheritdoc/>
    public override string Name => "galore2";
}
