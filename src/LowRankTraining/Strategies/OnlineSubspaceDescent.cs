namespace LowRankTraining.Strategies;

/// <summary>Online Subspace Descent: GaLore with a subspace that learns, one gradient step on its reconstruction error after each update, instead of a
/// decomposition now and then.</summary>
/// <remarks>
/// <para>P₁ from an SVD. Each step: R = PᵀG; W ← W − η α P Adam(R); then, with Ĝ = G / ‖G‖ and X = PᵀĜ, P ← P − η_P Opt(∇_P ‖P X − Ĝ‖²),
/// ∇ = −4 Ĝ Xᵀ + 2 Ĝ Xᵀ (PᵀP) + 2 P (X Xᵀ), and P is orthonormalized.</para>
/// <para>State of a matrix with short side s and long side l: r (3 s + 2 l) numbers, 2 r s of them the subspace's own Adam; r (s + 2 l) with SGD. 8 s l r
/// operations per step.</para>
/// <para>Differences from the paper: orthonormal columns by construction in place of a penalty of unknown weight; the authors' code has neither, and its
/// subspace drifts away from orthonormality. Its own gradient comes from autograd through an s × s matrix, ours from the formula.</para>
/// <para>Source: Liang et al., Memory-Efficient LLM Training with Online Subspace Descent, arXiv 2408.12857.</para>
/// </remarks>
public sealed record OnlineSubspaceDescent : GradientSpaceMethod
{
    /// <summary>The defaults: no decomposition after the first.</summary>
    public OnlineSubspaceDescent() => Refresh = new NeverRefresh();

    /// <inheritdoc/>
    public override string Name => "online-subspace-descent";

    /// <value>η_P, learning rate of the subspace while the weights have their initial one, and falling with theirs; above 0. Default 0.005: one in the
    /// authors' gap of 200 steps.</value>
    public double ProjectorLearningRate { get; init; } = 0.005;

    /// <value>Whether the subspace is moved by AdamW, or by plain gradient descent. Default true (paper).</value>
    public bool ProjectorUsesAdam { get; init; } = true;

    /// <value>Decoupled weight decay of the subspace, at least 0: how much of the old subspace goes at each step. Default 0; the authors' code has
    /// 0.01.</value>
    public double ProjectorWeightDecay { get; init; }

    private OnlinePcaDrift Drift => new()
    {
        LearningRate = ProjectorLearningRate,
        WeightDecay = ProjectorWeightDecay,
        UsesAdam = ProjectorUsesAdam,
        Orthonormalizes = !FollowsCode,
    };

    /// <inheritdoc/>
    protected internal override SubspaceRule Subspace => base.Subspace with { Drift = Drift };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Above(0, ProjectorLearningRate)
            .AtLeast(0, ProjectorWeightDecay);
    }
}
