namespace LowRankTraining.Layers;

/// <summary>Low-rank factors for a frozen weight, wherever they live.</summary>
internal abstract class FactorAdapter(Site site, Injector injector, FactorSettings settings, string reason) : Adapter(site, injector, reason)
{
    public FactorSettings Settings { get; } = settings;

    /// <summary>Ends the full-rank warm start: the weight is frozen and its optimizer state dropped.</summary>
    public abstract void Activate(IOptimizerState state);

    /// <summary>Merges the factors, draws new ones of the rank that is due, and resets their optimizer state.</summary>
    public abstract void Restart(long completed, MomentReset reset, IOptimizerState state);

    /// <summary>Gives the factors the rank that is due, with the same function.</summary>
    public abstract void ChangeRank(long completed, bool resets, IOptimizerState state);

    public long RankAfter(long completed) => Settings.RankAfter(completed, Site.Limit);
}
