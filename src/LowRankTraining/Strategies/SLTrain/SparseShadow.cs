using LowRankTraining.Layers;
using LowRankTraining.Numerics;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Factors and sparse values that live with the optimizer; the weight stays what it is to the model, dense.</summary>
internal sealed class SparseShadow : Adapter
{
    private readonly SparseRecipe _recipe;

    public SparseShadow(Site site, SparseRecipe recipe, string reason) : base(site, new ShadowEntry(site), reason)
    {
        _recipe = recipe;
        var (rows, columns) = Weight.shape.Sides();
        Rank = recipe.RankOf(rows, columns);
        Reason = SparseReport.Of(reason, recipe.SupportOf(Name, rows, columns),
            "the weight stays dense, so that optimizer state is saved and no weight; "
            + "it " + (recipe.Start == WeightStart.Fresh ? "was discarded for new parts" : "is made into parts at the first step"));
    }

    public override long Rank { get; }

    public override IEnumerable<ParameterPlan> Plans => [new ParameterPlan(Name, Weight, new SparseShadowRule(_recipe)) { WeightDecayMultiplier = 0 }];

    /// <summary>The weight becomes the one of the parts that the first step will draw.</summary>
    public override void Install()
    {
        base.Install();
        if (_recipe.Start != WeightStart.Fresh)
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rows, columns) = Weight.shape.Sides();
        var parts = _recipe.Fresh(Name, rows, columns, Weight.dtype, Weight.device);
        Weight.copy_(SparseLowRank.Weight(parts, _recipe.SupportOf(Name, rows, columns).Indices(Weight.device), _recipe.Scale).reshape(Weight.shape));
    }
}
