namespace LowRankTraining.Strategies;

/// <summary>SubTrack++: a subspace that turns toward the gradient on the Grassmann manifold, moments that turn with it, and the scaled residual
/// outside.</summary>
/// <remarks>
/// <para>Every T steps, with R = PᵀG and F = −2 (G − P R) Rᵀ / ‖G‖², of leading singular triplet (u, σ, v):
/// P ← (P v cos(σ η) − u sin(σ η)) vᵀ + P (I − v vᵀ), with η of <see cref="GradientSpaceMethod.Basis"/>, <see cref="GrassmannBasis.StepSize"/>.
/// Moments follow by LDAdam's rule; the step is Fira's: W ← W − η (α P N + S), S the limited scaled residual.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) + 1 numbers.</para>
/// <para>Differences from the paper: the rotation's step is relative to the gradient's norm, so that one η serves all tasks. The authors' code multiplies the
/// tangent of a tall or square matrix by zero, moves the moments one step early, and scales V wrongly; none of it is followed.</para>
/// <para>Source: Rajabi et al., SubTrack++, arXiv 2502.01586, algorithm 1.</para>
/// </remarks>
public sealed record SubTrack : ResidualMethod
{
    /// <summary>The defaults: rotations on the Grassmann manifold, moments by <see cref="MomentCarryOver.ProjectionAware"/> (SubTrack++).</summary>
    public SubTrack() => (Basis, OnRefresh) = (new GrassmannBasis(), MomentCarryOver.ProjectionAware);

    /// <inheritdoc/>
    public override string Name => "subtrack";
}
