using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>LDAdam: Adam in a subspace that moves with every step, with moments that move along and an error that comes back.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, at each step, with Ĝ = G + E: B = ρ P M̂ + (1 − ρ) Ĝ; P′ ← orth(B Bᵀ P); C = P′ᵀ P; R = P′ᵀ Ĝ; E ← Ĝ − P′ R + β₁/(1 − β₁) (P M − P′ C M);
/// M ← C M; V ← (1 − β₂ᵗ) |(C ∘ C)(V̂ − M̂²) + (C M̂)²|; then Adam on R; W ← W − η P′ N. For m &gt; n from the right.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) numbers, and s l more for the error.</para>
/// <para>Differences from the paper: none; the error is kept with the state, where the authors' code keeps it in the gradient and loses it in a checkpoint, together with the step count.
/// They project a square matrix from the left, we from the right.</para>
/// <para>Source: Robert et al., LDAdam, arXiv 2410.16103, algorithm 1.</para>
/// </remarks>
public sealed class LDAdamStrategy : GradientSpaceStrategy<LDAdamOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public LDAdamStrategy(LDAdamOptions? options = null) : base("ldadam", new LDAdamOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    internal static SubspaceRule Recipe(LDAdamOptions options) => options.Project(options.Adam, new ProjectBack { Scale = options.Scale }, options.Side) with
    {
        Refresh = options.Refresh ?? new PeriodicRefresh { Every = options.RefreshEvery },
        Feedback = options.ErrorFeedback ? new ErrorFeedback { Format = options.ErrorFormat } : null,
    };
}
