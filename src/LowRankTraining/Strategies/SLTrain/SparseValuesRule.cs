namespace LowRankTraining.Strategies;

/// <summary>Adam on the values of a sparse part. A checkpoint of another support is refused where the support is not in it.</summary>
internal sealed record SparseValuesRule(SparseRecipe Recipe) : UpdateRule
{
    public override (double Beta1, double Beta2)? Betas => Recipe.Adam.Betas;

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step) =>
        Recipe.Adam.AddUpdate(gradient, accumulator, scale, state, step);

    public override string LayoutFor(IReadOnlyList<long> shape) => $"sparse values {SparseReport.SupportOf(Recipe)}, {Recipe.Adam.LayoutFor(shape)}";

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Recipe.Adam.SlotsFor(shape);
}
