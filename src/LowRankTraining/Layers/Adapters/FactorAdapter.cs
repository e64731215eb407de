namespace LowRankTraining.Layers;

/// <summary>Low-rank factors beside a frozen weight.</summary>
/// <param name="site">The matrix.</param>
/// <param name="recipe">What the method does.</param>
/// <param name="reason">Why this way in was chosen.</param>
internal abstract class FactorAdapter(Site site, AdapterRecipe recipe, string reason) : Adapter(site, reason)
{
    protected AdapterRecipe Recipe { get; } = recipe;

    /// <summary>Ends the full-rank warm start: the weight is frozen and its optimizer state dropped.</summary>
    public abstract void Activate(IOptimizerState state);

    /// <summary>Merges the factors, draws new ones of the rank that is due, and clears their optimizer state.</summary>
    /// <returns>Entries of the first moment that were set to zero, and all of them.</returns>
    public abstract (long Zeroed, long Total) Restart(long completed, IOptimizerState state);

    /// <summary>Gives the factors the rank that is due, with the same function.</summary>
    public abstract void ChangeRank(long completed, IOptimizerState state);

    public long RankAfter(long completed) => Recipe.RankAfter(completed, Site.Limit);
}
