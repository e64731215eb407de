using LowRankTraining.Rules;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Sparse;

/// <summary>Adam on the values of a sparse part. A checkpoint of another support is refused where the support is not in it.</summary>
internal sealed record SparseValuesRule(SparseRecipe Recipe) : IUpdateRule, IStateLayout
{
    (double Beta1, double Beta2)? IUpdateRule.Betas => ((IUpdateRule)Recipe.Adam).Betas;

    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step) =>
        Recipe.Adam.AddUpdate(gradient, accumulator, scale, state, step);

    public string LayoutFor(IReadOnlyList<long> shape) => $"sparse values {SparseReport.SupportOf(Recipe)}, {((IStateLayout)Recipe.Adam).LayoutFor(shape)}";

    public long BytesFor(IReadOnlyList<long> shape) => ((IStateLayout)Recipe.Adam).BytesFor(shape);
}
