using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>SubTrack++: a subspace that turns towards the gradient on the Grassmann manifold, moments that turn with it, and the scaled residual outside.</summary>
/// <remarks>
/// <para>Every T steps, with R = PᵀG and F = −2 (G − P R) Rᵀ / ‖G‖², of leading singular triplet (u, σ, v): P ← (P v cos(σ η) − u sin(σ η)) vᵀ + P (I − v vᵀ).
/// Moments follow by LDAdam's rule; the step is Fira's: W ← W − η (α P N + S), S the limited scaled residual.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) + 1 numbers.</para>
/// <para>Differences from the paper: the rotation's step is relative to the gradient's norm, so that one η serves all tasks. The authors' code multiplies the tangent of a tall or square matrix by zero, moves the moments one step early, and scales V wrongly; none of it is followed.</para>
/// <para>Source: Rajabi et al., SubTrack++, arXiv 2502.01586, algorithm 1.</para>
/// </remarks>
public sealed class SubTrackStrategy : GradientSpaceStrategy<SubTrackOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public SubTrackStrategy(SubTrackOptions? options = null) : base("subtrack", new SubTrackOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    internal static SubspaceRule Recipe(SubTrackOptions options) => options.Project(options.Adam, Lift(options), options.Side);

    private static ScaledResidual Lift(SubTrackOptions options) => new()
    {
        Scale = options.Scale,
        ResidualScale = options.ResidualScale,
        Limiter = new NormGrowthLimiter { MaxGrowth = options.MaxGrowth },
    };
}
