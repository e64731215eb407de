namespace LowRankTraining.Layers;

/// <summary>Parts that live with the optimizer and learn from the weight's gradient; the model knows nothing of them.</summary>
internal sealed class ShadowEntry(Site site) : Entry
{
    public override Injection Injection => Injection.Shadow;

    public override void Install() => site.Weight.requires_grad = true;

    public override void TakeOut() => site.Weight.requires_grad = !site.WasFrozen;
}
