namespace LowRankTraining.Layers;

/// <summary>Parts that live with the optimizer and learn from the weight's gradient, or from its factors; the model knows nothing of them.</summary>
internal sealed class ShadowInjector(Site site) : Injector
{
    private TappedLayer? _tap;
    private GradientSink? _sink;
    private string? _objection;

    public override Injection Injection => Injection.Shadow;

    public override GradientSink? Sink => _sink;

    public override string? GradientNote => _objection is null ? null : $"whole gradient: {_objection}";

    public override void Install() => site.Weight.requires_grad = true;

    public override void Remove()
    {
        LeaveGradient();
        site.Weight.requires_grad = !site.WasFrozen;
    }

    public override void TakeGradient()
    {
        _objection = site is { Linear: null, IsTied: false }
            ? "it is not the weight of a linear module"
            : TappedLayer.ObjectionTo(site.Linear, site.IsTied, site.Names);
        if (_objection is not null)
            return;

        var sink = new GradientSink();
        _tap = TappedLayer.On(site.Name, site.Linear!, sink);
        _sink = sink;
    }

    public override void LeaveGradient()
    {
        _tap?.Dispose();
        _tap = null;
    }

    public override void FindGradient()
    {
        if (_tap is { IsPassedBy: true })
            _objection = TappedLayer.PassesHooksBy;
    }
}
