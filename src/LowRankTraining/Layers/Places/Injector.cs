namespace LowRankTraining.Layers;

/// <summary>How the parts of one matrix enter its model: by a layer of their own, by a hook, or not at all.</summary>
internal abstract class Injector
{
    public abstract Injection Injection { get; }

    /// <value>Whether the parts have run since this was last set to false. Parts that are in the weight itself run with it, whoever uses it.</value>
    public virtual bool HasRun { get => true; set { } }

    /// <value>Where the gradient of the weight goes as it arises; null where it is held, or where there is none.</value>
    public virtual GradientSink? Sink => null;

    /// <value>What becomes of the weight's gradient, where a reader should know; else null.</value>
    public virtual string? GradientNote => null;

    public static LayerInjector For(Injection way, Site site) => way == Injection.Replace ? new ReplaceInjector(site) : new HookInjector(site.Linear!);

    /// <summary>Changes the model.</summary>
    public abstract void Install();

    /// <summary>Undoes <see cref="Install"/>.</summary>
    public abstract void Remove();

    /// <summary>Takes the gradient of the weight as it arises, where there is one and that is possible.</summary>
    /// <exception cref="InvalidOperationException">Another session takes it. Nothing was changed.</exception>
    public virtual void TakeGradient() { }

    /// <summary>Undoes <see cref="TakeGradient"/>.</summary>
    public virtual void LeaveGradient() { }

    /// <summary>Finds out, before a step, whether the gradient has come the way that was meant for it.</summary>
    public virtual void FindGradient() { }

    /// <summary>Brings the parts to where the model has been moved to, as far as the model has not done so itself.</summary>
    public virtual void Follow() { }
}

/// <summary>The way in for a layer, which is given before it enters.</summary>
internal abstract class LayerInjector : Injector
{
    public ReparameterizedLinear? Layer { get; set; }

    public override bool HasRun { get => Layer!.Reached; set => Layer!.Reached = value; }
}

/// <summary>A layer in the place of a linear one, which hangs nowhere until it is put back.</summary>
internal sealed class ReplaceInjector(Site site) : LayerInjector
{
    private readonly Linear _plain = site.Linear!;

    public override Injection Injection => Injection.Replace;

    public override void Install()
    {
        Layer!.train(_plain.training);
        site.Put(Layer, inPlaceOf: _plain);
        Layer.IsInSession = true;
    }

    public override void Remove()
    {
        _plain.train(Layer!.training);
        ForwardHooks.Move(Layer, _plain);
        site.Put(_plain, inPlaceOf: Layer);
        Layer.IsInSession = false;
    }
}
