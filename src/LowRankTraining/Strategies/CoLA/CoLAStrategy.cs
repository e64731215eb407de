using LowRankTraining.Adapters;
using LowRankTraining.Factorized;

namespace LowRankTraining.Strategies;

/// <summary>CoLA: two thin layers with an activation between them in the place of each linear layer. Half of the computation, for a model of another kind.</summary>
/// <remarks>
/// <para>y = σ(x Vᵀ) Uᵀ + b with σ = SiLU; U, m × k, and V, k × n, start as normal numbers such that entries of U V have the variance 1 / (m + n). The weights that were there are forgotten.</para>
/// <para>No weight does what such a layer does, so <see cref="ILowRankSession.Finish"/> leaves the layers where they are: the trained model consists of <see cref="FactorizedLinear"/>.</para>
/// <para>State of an m × n matrix: 2 k (m + n) numbers, beside k (m + n) for the factors. For N rows 6 N k (m + n) operations.</para>
/// <para>Differences from the authors' code: an activation that the model itself has is left in it (they drop it from 350 million parameters on), and recomputing activations (CoLA-M) is not part of it.</para>
/// <para>Source: Liu et al., CoLA, arXiv 2502.10940.</para>
/// </remarks>
public sealed class CoLAStrategy : WeightSpaceStrategy<CoLA>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public CoLAStrategy(CoLA? options = null) : base("cola", new CoLAOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new FactorizedMethod(Name, Options, FactorizedInit.Random) { Activation = Options.Activation };
}
