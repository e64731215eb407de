namespace LowRankTraining.Layers;

/// <summary>What a method does with low-rank factors besides training them: restarts, changes of rank, pruning, another layer.</summary>
/// <remarks>It keeps nothing of a run.</remarks>
internal abstract class FactorFeature
{
    /// <value>Whether the weights stay what they were, so that factors can be saved by themselves.</value>
    public virtual bool KeepsBase => true;

    /// <value>Whether it works for factors that live with the optimizer. Default true.</value>
    public virtual bool AllowsShadow => true;

    /// <value>Whether its layer takes memory that the weight gives back, so that one is made only when the one before it is in its place.</value>
    public virtual bool FreesWeight => false;

    /// <summary>Whether the factors are at work after so many steps; before that the weights are trained themselves.</summary>
    public virtual bool IsActiveAfter(long completed) => true;

    /// <summary>How often the factors have been drawn again after so many steps.</summary>
    public virtual long RestartsAfter(long completed) => 0;

    /// <summary>The rank after so many steps.</summary>
    public virtual long RankAfter(long completed, long rank) => rank;

    /// <summary>How a factor is trained.</summary>
    /// <param name="factor"><see cref="LowRankFactors.A"/> or <see cref="LowRankFactors.B"/>.</param>
    /// <param name="settings">How factors are trained.</param>
    /// <param name="rule">How this one is, as far as the features before this one are concerned.</param>
    public virtual UpdateRule RuleFor(string factor, FactorSettings settings, UpdateRule rule) => rule;

    /// <summary>The layer that holds factors, or null for the usual one.</summary>
    public virtual FactorLayer? Layer(Linear plain, Injection way, FactorSettings settings, int rank, ulong key) => null;

    /// <summary>What sees the inputs of one layer, or null.</summary>
    public virtual InputWatch? Watch() => null;

    /// <inheritdoc cref="AdapterMethod.Check"/>
    public virtual void Check(IReadOnlyList<Site> sites) { }

    /// <inheritdoc cref="AdapterMethod.NotesOn"/>
    public virtual IEnumerable<KeyValuePair<string, string>> NotesOn(IReadOnlyList<(Site Site, Injection Way)> chosen, FactorSettings settings) => [];

    /// <summary>Begins with factors that are in the model now.</summary>
    public virtual void Begin(FactorLayerAdapter factors) { }

    /// <summary>What the end of the training makes of A: a tensor of its own in the dispose scope of the caller, or the one that is given.</summary>
    public virtual Tensor FinalA(FactorLayerAdapter factors, Tensor a) => a;

    /// <summary>Does what is due after a step.</summary>
    public virtual void AfterStep(in FactorRun run) { }
}

/// <summary>All factors of a model between two steps.</summary>
internal readonly record struct FactorRun(FactorSettings Settings, long Completed, IReadOnlyList<FactorAdapter> Adapters, IOptimizerState State)
{
    public string Strategy => Settings.Strategy;

    public ILogger? Logger => Settings.Logger;

    /// <value>The factors that are parameters of the model.</value>
    public IEnumerable<FactorLayerAdapter> Layers => Adapters.OfType<FactorLayerAdapter>();
}
