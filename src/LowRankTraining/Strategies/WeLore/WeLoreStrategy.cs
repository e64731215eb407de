using LowRankTraining.Adapters;
using LowRankTraining.Diagnostics;
using LowRankTraining.Factorized;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>WeLore: finds out which weights of a trained model are nearly of low rank, makes factors of these, and trains nothing else.</summary>
/// <remarks>
/// <para>Ranks come from the spectra, see <see cref="WeLorePlan"/>. Low-rank components become y = (x Vᵀ) Uᵀ + b with U = U_k √Σ_k and V = √Σ_k V_kᵀ and are trained by Adam; the other targets stay dense and frozen,
/// as do embeddings and head; norms and biases are trained unless <see cref="WeightSpaceMethod.TrainOthers"/> is false. <see cref="ILowRankSession.Finish"/> multiplies the factors into plain weights.</para>
/// <para>State of a low-rank component of m × n: 2 k (m + n) numbers, beside k (m + n) for the factors; of anything else that is a matrix: none. For N rows 6 N k (m + n) operations, 4 N m n for a frozen matrix.</para>
/// <para>Differences from the authors' code: κ is searched, where they have a table for two models; matrices whose singular values are all equal are kept, where they divide by zero.</para>
/// <para>Source: Jaiswal et al., From Low Rank Gradient Subspace Stabilization to Low-Rank Weights (WeLore), arXiv 2407.11239.</para>
/// </remarks>
public sealed class WeLoreStrategy : ILowRankStrategy
{
    private readonly WeLore _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public WeLoreStrategy(WeLore? options = null) => _options = new WeLoreOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "welore";

    /// <summary>What <see cref="Attach"/> would do. The model is not changed.</summary>
    /// <param name="model">A trained model.</param>
    /// <param name="targets">The matrices to look at; all linear weights but the output head when null.</param>
    public WeLorePlan Plan(nn.Module model, Targets? targets = null) =>
        _options.Plan ?? WeLorePlan.For(model, targets, _options.Ratio, _options.Choice, _options.MinRatio);

    /// <inheritdoc cref="ILowRankStrategy.Attach"/>
    /// <param name="model">A trained model, already on its device and in its dtype.</param>
    /// <param name="targets">The matrices to look at; all linear weights but the output head when null.</param>
    /// <exception cref="ArgumentException">No matrix is a low-rank component. Nothing was changed.</exception>
    public AdapterSession Attach(nn.Module model, Targets? targets = null)
    {
        var plan = Plan(model, targets);
        var components = plan.Layers.Where(layer => layer.IsLowRank).Select(layer => layer.Name).ToHashSet();
        if (components.Count == 0)
            throw new ArgumentException(
                $"At a ratio of {plan.Ratio} none of the {plan.Layers.Count} matrices loses enough of its singular values to become factors. Raise Ratio, lower MinRatio, or take WeLoreChoice.BreakEven. Nothing was changed.");

        _options.Logger?.Planned(Name, plan);
        return AdapterPlanner.Attach(model, Targets.Exactly("the components of low rank", components), new Method(Name, _options) { Ranks = plan.Ranks }, _options);
    }

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);

    /// <summary>Of what does not become factors, only norms and biases are trained.</summary>
    private sealed class Method(string strategy, WeLore options) : FactorizedMethod(strategy, options, FactorizedInit.TruncatedSvd)
    {
        public override bool Trains(NamedParameter other) => base.Trains(other) && !other.IsMatrix;
    }
}
