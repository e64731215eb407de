namespace LowRankTraining.Layers;

/// <summary>What a weight-space method does to a model: how it adapts a matrix, and what happens between steps.</summary>
/// <remarks>It keeps nothing of a run: what a resumed run needs is in the optimizer's state, or follows from the number of completed steps.</remarks>
internal abstract class AdapterMethod(AdapterSettings settings)
{
    public AdapterSettings Settings => settings;

    public string Strategy => settings.Strategy;

    public ILogger? Logger => settings.Logger;

    /// <value>The ways in that the method can go, best first.</value>
    public virtual IReadOnlyList<Injection> Ways => [Injection.Replace, Injection.Hook, Injection.Shadow];

    /// <summary>Whether a parameter is trained that is not adapted.</summary>
    public virtual bool Trains(NamedParameter other) => settings.TrainOthers;

    /// <value>Whether a weight that was frozen before is adapted like any other, and is frozen again in the end: factors beside a weight do not need its
    /// training.</value>
    public virtual bool AdaptsFrozen => false;

    /// <value>Whether factors are a change of weights that stay what they were, so that they can be saved by themselves.</value>
    public virtual bool KeepsBase => false;

    /// <value>Ranks by name; null for the same everywhere.</value>
    public RankAllocation? Ranks { get; init; }

    /// <summary>The rank that is asked for each of the matrices; more than a matrix can have is lowered to its short side.</summary>
    public virtual IReadOnlyList<long> RanksFor(IReadOnlyList<Site> sites) => [.. sites.Select(site => Ranks?.For(site) ?? settings.Rank)];

    /// <summary>Whether a matrix is left as it is, and trained, since its factors would take more state than AdamW and nobody asked for their rank.</summary>
    public bool Spares(Site site, long rank)
    {
        if (!settings.SparesSmall || site.WasFrozen)
            return false;
        var (rows, columns) = site.Weight.shape.Sides();
        return BytesFor(rows, columns, Math.Min(rank, site.Limit)) > AdamRule.BytesOfAdamW(rows * columns);
    }

    /// <summary>Bytes of state of a matrix that is adapted at a rank. Default: those of its factors.</summary>
    protected virtual long BytesFor(long rows, long columns, long rank) =>
        RuleOf(LowRankFactors.A).BytesFor([rank, columns]) + RuleOf(LowRankFactors.B).BytesFor([rows, rank]);

    /// <summary>How a factor is trained.</summary>
    protected virtual UpdateRule RuleOf(string factor) => settings.Adam;

    /// <summary>Looks at all matrices before anything is changed, and refuses what the method cannot do for them.</summary>
    /// <exception cref="ArgumentException">What is wrong with which of them.</exception>
    public virtual void Check(IReadOnlyList<Site> sites) { }

    /// <summary>Looks at what has been chosen for every matrix before anything is changed.</summary>
    /// <returns>What a reader should know, by the matrix's name.</returns>
    /// <exception cref="ArgumentException">The method cannot do it.</exception>
    public virtual IEnumerable<KeyValuePair<string, string>> NotesOn(IReadOnlyList<(Site Site, Injection Way)> chosen) => [];

    /// <summary>Makes the parts of one matrix, without changing the model.</summary>
    public abstract Adapter Adapt(in AdapterRequest request);

    /// <summary>Merges, restarts, grows, prunes: whatever is due after so many steps.</summary>
    public virtual void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state) { }
}

/// <summary>A matrix that is to be adapted, and how. Its rank may be asked for above its short side.</summary>
internal readonly record struct AdapterRequest(Site Site, long Rank, Injection Way, string Reason);
