using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>Factors and magnitudes that are parameters of the model.</summary>
internal abstract class MagnitudeAdapter(Site site, AdapterRecipe recipe, string reason) : ParameterAdapter(site, recipe, reason)
{
    protected abstract Parameter Magnitude { get; }

    public override FactorSet Factors => base.Factors with { Magnitude = Magnitude };

    public override IEnumerable<ParameterPlan> Plans =>
        base.Plans.Append(new ParameterPlan(Site.Sibling(DoRALinear.MagnitudeName), Magnitude, Recipe.Adam) { WeightDecayMultiplier = 0 });

    public override bool IsMergeable => base.IsMergeable && LowRankFactors.AreFinite(Magnitude, Magnitude);

    protected override IEnumerable<Parameter> Own => base.Own.Append(Magnitude);

    protected override void FoldIn(Generator? rounding) => RowMagnitudes.MergeInto(Weight, A, B, Magnitude, Recipe.Scale, rounding);
}
