namespace LowRankTraining.Strategies;

/// <summary>Factors in the place of weights, which are measured after every step for the next one.</summary>
internal sealed class SpectronMethod(
    AdapterSettings settings, SpectronRule rule, int iterations, Func<string, Linear, int, ulong, ReparameterizedLinear> layer)
    : ReplacingMethod(settings, layer)
{
    public override SpectronAdapter Adapt(in AdapterRequest request) =>
        new(request, Settings, LayerFor(request.Site, request.Rank), rule, iterations);

    protected override UpdateRule RuleOf(string factor) => rule;
}

/// <summary>Two factors whose steps are divided by the sum of their norms.</summary>
internal sealed class SpectronAdapter(in AdapterRequest request, AdapterSettings settings, ReparameterizedLinear layer, SpectronRule rule, int iterations)
    : LayerAdapter(request, settings, layer)
{
    private readonly ulong _seed = settings.Seed;

    public override void Begin(IOptimizerState state) => Measure(state);

    public override void Observe(IOptimizerState state) => Measure(state);

    /// <summary>‖U‖₂ + ‖V‖₂ + 1, for the step to come. Nothing where the last one has left both as they were.</summary>
    private void Measure(IOptimizerState state)
    {
        var parts = Layer.Parts.ToArray();
        if (!parts.Any(part => SpectronRule.HasMoved(state.StateOf(part.Parameter))))
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var norms = parts.Select(part => SpectronRule.NormOf(part.Parameter, state.StateOf(part.Parameter), iterations, KeyOf(part.Name)))
            .Aggregate((sum, norm) => sum.add(norm)).add(1);
        foreach (var (_, factor) in parts)
            SpectronRule.SetNorms(state.StateOf(factor), norms);
    }

    protected override UpdateRule RuleOf(string part) => rule;

    private ulong KeyOf(string part) => RandomKey.For(_seed, Name, "singular vector", 0, part);
}
