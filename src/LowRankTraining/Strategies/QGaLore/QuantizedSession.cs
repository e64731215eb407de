namespace LowRankTraining.Strategies;

/// <summary>A gradient-space session whose projected linear weights are kept in 8 bits.</summary>
/// <remarks>The layers hang in the places of the plain ones until <see cref="Finish"/>. The plain ones keep their parameters, without memory, so that the
/// model comes back as it was made.</remarks>
internal sealed class QuantizedSession : WrappedSession
{
    private readonly nn.Module _model;
    private readonly IReadOnlyList<ParameterPlan> _plans;
    private readonly IReadOnlyList<QuantizedLayer> _layers;
    private bool _finished;
    private bool _released;

    private QuantizedSession(nn.Module model, ILowRankSession inner, IReadOnlyList<QuantizedLayer> layers, IReadOnlyList<ParameterPlan> plans) : base(inner) =>
        (_model, _layers, _plans) = (model, layers, plans);

    public override nn.Module? Model => _model;

    public override bool IsFinished => _finished;

    public override IReadOnlyList<ParameterPlan> Parameters => _plans.In(_model);

    /// <summary>Puts 8-bit layers into the places of the linear ones whose weights are projected. A weight for which that is impossible stays as it is, with a
    /// note.</summary>
    /// <param name="model">The model.</param>
    /// <param name="inner">The method at work on its parameters.</param>
    /// <param name="earlier">The 8-bit layers that it has had from the start, projected or not; plain ones stand in for them.</param>
    /// <param name="group">Numbers that share a scale, in new layers.</param>
    /// <param name="logger">Is told what stays as it is.</param>
    public static QuantizedSession Over(nn.Module model, ILowRankSession inner, PrequantizedLayers earlier, int group, ILogger? logger)
    {
        var projected = inner.Parameters.Where(plan => plan.Rule.Projects).Select(plan => plan.Name).ToHashSet();
        var sites = Site.Find(model, NamedParameter.Of(model).Where(candidate => candidate.IsMatrix))
            .Where(site => earlier.Find(site) is not null || (!site.WasFrozen && projected.Contains(site.Name)));
        var quantized = QuantizedLayers.In(sites, site => earlier.Find(site) ?? new Int8Linear(site.Linear!, group), inner.Strategy, logger);
        foreach (var layer in quantized.Layers.Values)
            layer.IsAtWork = true;

        return new(model, inner, [.. quantized.Layers.Values], [.. inner.Parameters.Select(Plan)]);

        ParameterPlan Plan(ParameterPlan plan) =>
            quantized.Layers.TryGetValue(plan.Name, out var layer) ? plan with { Parameter = layer.Weight, Store = layer.Store }
            : quantized.Reasons.TryGetValue(plan.Name, out var reason) ? plan.WithNote($"not in 8 bits: {reason}")
            : plan;
    }

    public override void AfterStep(in StepContext step, IOptimizerState state)
    {
        RequireUnfinished();
        base.AfterStep(step, state);
    }

    public override void ResumeAt(long step, IOptimizerState state)
    {
        RequireUnfinished();
        base.ResumeAt(step, state);
    }

    public override void Finish()
    {
        RequireUnfinished();
        ParameterPlace.RequireIn(_model);
        foreach (var layer in _layers)
            layer.Restore();
        base.Finish();
        _finished = true;
    }

    public override void Dispose()
    {
        if (_finished && !_released)
            foreach (var layer in _layers)
                layer.Release();
        _released = _finished;
        base.Dispose();
    }

    private void RequireUnfinished()
    {
        if (_finished)
            throw new InvalidOperationException("The session is finished: the model is a plain one again. Attach the strategy again to train on.");
    }
}
