using LowRankTraining.Adapters;

namespace LowRankTraining.Strategies;

/// <summary>DoRA: low-rank factors turn the rows of frozen weights, and every row gets a trainable length.</summary>
/// <remarks>
/// <para>W′ = diag(m / c) (W + s B A) with c = ‖W + s B A‖ of every row, a constant to the backward pass; A random, B zero and m = ‖W‖ at the start. <see cref="ILowRankSession.Finish"/> leaves W′.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) + 2 m numbers, beside r (m + n) + m for factors and magnitudes.</para>
/// <para>With <see cref="DoRAOptions.Projected"/> it is GradNormLoRP as its paper has it: magnitudes, factors, and their gradients projected from both sides.</para>
/// <para>Differences from the authors' code: the norm is found without making B A. Weight decay is not applied to factors and magnitudes. What is not adapted is trained as well, see <see cref="WeightSpaceOptions.TrainOthers"/>.</para>
/// <para>Source: Liu et al., DoRA, arXiv 2402.09353; Huang et al., GradNormLoRP, arXiv 2412.19616.</para>
/// </remarks>
public sealed class DoRAStrategy : WeightSpaceStrategy<DoRAOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public DoRAStrategy(DoRAOptions? options = null) : base("dora", new DoRAOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new DoRAMethod(
        AdapterRecipe.Of(Name, Options) with
        {
            Projected = Options.Projected is { } projected ? new ProjectedFactorRule(projected.Subspace) : null,
        },
        Options);
}
