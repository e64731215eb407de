using LowRankTraining.Rules;
using LowRankTraining.Strategies;
using LowRankTraining.Subspace;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Documentation;

/// <summary>The examples of docs/concepts.md, word for word.</summary>
internal static class ConceptsExamples
{
    public static LowRankOptimizer WithOptions(nn.Module model)
    {
        var options = new GaLore
        {
            Rank = 128,
            Basis = new DctBasis(),
            Refresh = new LazyRefresh { Every = 100 },
            OnRefresh = MomentCarryOver.Rotate,
            States = StateFormat.Blockwise8Bit,
        };
        var optimizer = options.Attach(model).CreateOptimizer(lr: 0.01);
        return optimizer;
    }

    public static LowRankOptimizer Composed(nn.Module model)
    {
        var inside = new AdamRule { Beta2 = 0.99, States = StateFormat.Blockwise8Bit };
        var strategy = Recipe.Of("contoso.warm-sign", others: inside, matrices: new SubspaceRule
        {
            Rank = 128,
            Basis = new WarmStartedBasis(),
            BasisFormat = StateFormat.BFloat16,
            Refresh = new StaggeredRefresh { Every = 20 },
            OnRefresh = MomentCarryOver.VarianceFill,
            Inner = inside,
            Lift = new StateFreeResidual { Scale = 1, ResidualScale = 0.1, Outside = StateFreeStep.Sign },
        });
        var optimizer = strategy.Attach(model).CreateOptimizer(lr: 1e-3);
        return optimizer;
    }
}
