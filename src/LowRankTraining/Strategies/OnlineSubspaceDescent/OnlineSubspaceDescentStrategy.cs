using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>Online Subspace Descent: GaLore with a subspace that learns, one gradient step on its reconstruction error after each update, instead of a decomposition now and then.</summary>
/// <remarks>
/// <para>P₁ from an SVD. Each step: R = PᵀG; W ← W − η α P Adam(R); then, with Ĝ = G / ‖G‖ and X = PᵀĜ, P ← P − η_P Opt(∇_P ‖P X − Ĝ‖²), ∇ = −4 Ĝ Xᵀ + 2 Ĝ Xᵀ (PᵀP) + 2 P (X Xᵀ), and P is orthonormalized.</para>
/// <para>State of a matrix with short side s and long side l: r (3 s + 2 l) numbers, 2 r s of them the subspace's own Adam; r (s + 2 l) with SGD. 8 s l r operations a step.</para>
/// <para>Differences from the paper: orthonormal columns by construction in place of a penalty of unknown weight; the authors' code has neither, and its subspace drifts away from orthonormality. Its own
/// gradient comes from autograd through an s × s matrix, ours from the formula.</para>
/// <para>Source: Liang et al., Memory-Efficient LLM Training with Online Subspace Descent, arXiv 2408.12857.</para>
/// </remarks>
public sealed class OnlineSubspaceDescentStrategy : GradientSpaceStrategy<OnlineSubspaceDescentOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public OnlineSubspaceDescentStrategy(OnlineSubspaceDescentOptions? options = null) : base("online-subspace-descent", new OnlineSubspaceDescentOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    internal static SubspaceRule Recipe(OnlineSubspaceDescentOptions options) => options.Project(options.Adam, new ProjectBack { Scale = options.Scale }, options.Side) with
    {
        Refresh = options.Refresh ?? new NeverRefresh(),
        Drift = new OnlinePcaDrift
        {
            LearningRate = options.ProjectorLearningRate,
            WeightDecay = options.ProjectorWeightDecay,
            UsesAdam = options.ProjectorUsesAdam,
            Orthonormalizes = options.Compatibility == Compatibility.Paper,
        },
    };
}
