namespace LowRankTraining.Strategies;

/// <summary>A <see cref="SparseLowRankLinear"/> in the place of a linear layer.</summary>
internal sealed class SparseReplacement : LayerAdapter
{
    private readonly SparseRecipe _recipe;

    public SparseReplacement(in AdapterRequest request, AdapterSettings settings, SparseRecipe recipe, SparseLowRankLinear layer)
        : base(request, settings, layer)
    {
        _recipe = recipe;
        using var effective = recipe.StartsFromWeight ? layer.EffectiveWeight() : null;
        Reason = SparseReport.Of(Reason, layer.Support,
            effective is null ? "the weight was discarded for new parts" : SparseReport.Kept(Weight, effective));
    }

    protected override UpdateRule RuleOf(string part) => part == SparseLowRankLinear.ValuesName ? new SparseValuesRule(_recipe) : base.RuleOf(part);

    /// <summary>While B is zero so is A's gradient: a step like any other, and none to be counted as skipped.</summary>
    protected override ParameterPlan Plan(string name, Parameter parameter) => base.Plan(name, parameter) with
    {
        AcceptZeroGradient = name == LowRankFactors.A,
        AttachedBytes = name == SparseLowRankLinear.ValuesName && _recipe.KeepsIndices ? ((SparseLowRankLinear)Layer).Support.IndexBytes : 0,
    };
}

/// <summary>Adam on the values of a sparse part. A checkpoint of another support is refused where the support is not in it.</summary>
internal sealed record SparseValuesRule(SparseRecipe Recipe) : WrappedRule(Recipe.Adam)
{
    public override string LayoutFor(IReadOnlyList<long> shape) => $"sparse values {Recipe.SupportLayout}, {Inner.LayoutFor(shape)}";
}
