namespace LowRankTraining.Layers;

/// <summary>A layer in the place of a linear one, which hangs nowhere until it is put back.</summary>
internal sealed class ReplaceInjector(Site site) : LayerInjector
{
    private readonly Linear _plain = site.Linear!;

    public override Injection Injection => Injection.Replace;

    public override void Install()
    {
        Layer!.train(_plain.training);
        site.Put(Layer, inPlaceOf: _plain);
    }

    public override void Remove()
    {
        _plain.train(Layer!.training);
        site.Put(_plain, inPlaceOf: Layer);
    }
}
