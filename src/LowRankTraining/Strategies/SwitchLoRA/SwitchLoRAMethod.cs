using LowRankTraining.Layers;

namespace LowRankTraining.Strategies;

/// <summary>Factors that are random from the start, and exchanged vector by vector.</summary>
internal sealed class SwitchLoRAMethod(AdapterRecipe recipe, SwitchLoRA options) : FactorMethod(recipe, options)
{
    public override IReadOnlyList<Injection> Ways { get; } = [Injection.Replace, Injection.Hook];

    /// <summary>Factors that are random from the start are in the weight already, whether the hook runs or not.</summary>
    protected override bool MayShadow => false;

    public override void Begin(Adapter adapter)
    {
        if (adapter is ParameterAdapter factors)
            factors.StartAtRandom();
    }

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        base.AfterStep(completed, adapters, state);
        var due = adapters.OfType<ParameterAdapter>().Where(adapter => Recipe.Switching!.DueAfter(completed, adapter.Rank).Length > 0).ToArray();
        Adapter.RequireMergeable(due);
        foreach (var adapter in due)
            adapter.Switch(completed, state);
    }
}
