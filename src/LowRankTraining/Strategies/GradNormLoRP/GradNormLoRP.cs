namespace LowRankTraining.Strategies;

/// <summary>GradNormLoRP: every matrix as magnitude and direction of its rows, and the gradient of the direction projected from both sides.</summary>
/// <remarks>
/// <para>W = diag(g) V̂ with rows of unit length: ∂gᵢ = ⟨∂Wᵢ, V̂ᵢ⟩ and ∂V = ∂W − diag(∂g) V̂. With P and Q the r leading left and right singular vectors of ∂V
/// every T steps: R = Pᵀ ∂V Q; V ← V − η α P Adam(R) Qᵀ; g ← g − η Adam(∂g); W ← diag(g / ‖Vᵢ‖) V.</para>
/// <para>State of a matrix m × n: r (m + n + 2 r) + 2 m numbers.</para>
/// <para>Differences from the paper: it keeps W₀ frozen and trains low-rank factors of the direction; here the whole direction is trained, so that no factor
/// limits its rank. The authors' code throws the magnitude's update away, does not remove the radial part of the gradient, and never writes the weight of its
/// 8-bit version; none of it is followed.</para>
/// <para>Source: Huang et al., GradNormLoRP, arXiv 2412.19616; Salimans and Kingma, arXiv 1602.07868.</para>
/// </remarks>
public sealed record GradNormLoRP : GradientSpaceMethod
{
    /// <summary>The defaults: both sides (GradNormLoRP), and moments that turn with the subspaces, since two bases turn independently.</summary>
    public GradNormLoRP() => (Side, OnRefresh) = (ProjectionSide.Both, MomentCarryOver.Rotate);

    /// <inheritdoc/>
    public override string Name => "gradnormlorp";

    /// <inheritdoc/>
    protected override UpdateRule RuleForTarget(in ParameterRole target) => new WeightNormRule { Direction = Subspace, Magnitude = Adam };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.Require(!AccumulatesInSubspace,
            "GradNormLoRP splits the whole gradient into magnitude and direction, which accumulation in the subspace throws away: accumulate in full.");
    }
}
