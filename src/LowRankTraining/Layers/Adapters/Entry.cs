namespace LowRankTraining.Layers;

/// <summary>How the parts of one matrix enter its model: by a layer of their own, by a hook, or not at all.</summary>
internal abstract class Entry
{
    public abstract Injection Injection { get; }

    /// <value>Whether the parts have run since this was last set to false. Parts that are in the weight itself run with it, whoever uses it.</value>
    public virtual bool HasRun { get => true; set { } }

    /// <summary>The way in for a layer.</summary>
    public static LayerEntry For(Injection way, Site site) => way == Injection.Replace ? new ReplaceEntry(site) : new HookEntry(site.Linear!);

    /// <summary>Changes the model.</summary>
    public abstract void Install();

    /// <summary>Undoes <see cref="Install"/>.</summary>
    public abstract void TakeOut();

    /// <summary>Brings the parts to where the model has been moved to, as far as the model has not done so itself.</summary>
    public virtual void Follow() { }
}

/// <summary>The way in for a layer, which is given before it enters.</summary>
internal abstract class LayerEntry : Entry
{
    public ReparameterizedLinear? Layer { get; set; }

    public override bool HasRun { get => Layer!.Reached; set => Layer!.Reached = value; }
}
