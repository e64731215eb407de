using LowRankTraining.Adapters;
using LowRankTraining.Factorized;

namespace LowRankTraining.Strategies;

/// <summary>Low-rank factorization: W = U V from the first step to the last. The plainest of all, and the "low-rank" row of the tables of GaLore and SLTrain.</summary>
/// <remarks>
/// <para>y = (x Vᵀ) Uᵀ + b; Adam trains U, m × k, and V, k × n. <see cref="ILowRankSession.Finish"/> multiplies them into a plain weight.</para>
/// <para>State of an m × n matrix: 2 k (m + n) numbers, beside k (m + n) for the factors; the weight itself is gone meanwhile. For N rows 6 N k (m + n) operations.</para>
/// <para>Source: Kamalakara et al., Exploring Low Rank Training of Deep Neural Networks, arXiv 2209.13569; start from the singular value decomposition: section 3.</para>
/// </remarks>
public sealed class FactorizedStrategy : WeightSpaceStrategy<LowRankFactorization>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public FactorizedStrategy(LowRankFactorization? options = null) : base("factorized", new FactorizedOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new FactorizedMethod(Name, Options, Options.Init) { Ranks = Options.Ranks };
}
