using TorchSharp;
using TorchSharp.Modules;

namespace LowRankTraining.Adapters;

/// <summary>Low-rank factors of one matrix at work, whichever way they entered the model.</summary>
/// <param name="site">The matrix.</param>
/// <param name="recipe">What the method does.</param>
/// <param name="reason">Why this way in was chosen.</param>
internal abstract class Adapter(Site site, AdapterRecipe recipe, string reason)
{
    protected Site Site { get; } = site;

    protected AdapterRecipe Recipe { get; } = recipe;

    public string Name => Site.Name;

    public Parameter Weight => Site.Weight;

    public string Reason { get; protected set; } = reason;

    public abstract Injection Injection { get; }

    /// <value>The parameters that the optimizer gets for this matrix.</value>
    public abstract IEnumerable<ParameterPlan> Plans { get; }

    /// <value>Whether the factors have taken part in a forward pass, or need not.</value>
    public virtual bool IsReached => true;

    /// <summary>Changes the model, but not the function that it computes.</summary>
    public abstract void Install();

    /// <summary>Learns from the step that has just been taken.</summary>
    public virtual void Observe(IOptimizerState state) { }

    /// <summary>Ends the full-rank warm start: the weight is frozen and its optimizer state dropped.</summary>
    public abstract void Activate(IOptimizerState state);

    /// <summary>Brings shapes and gradient flags into the form that they have after so many steps.</summary>
    public abstract void ResumeAt(long completed, IOptimizerState state);

    /// <summary>Merges the factors, draws new ones of the rank that is due, and forgets their optimizer state.</summary>
    /// <returns>Entries of the first moment that were set to zero, and all of them.</returns>
    public abstract (long Zeroed, long Total) Restart(long completed, IOptimizerState state);

    /// <value>False when the factors hold NaN or infinity and must not be merged.</value>
    public virtual bool IsMergeable => true;

    /// <summary>Merges the factors for good and takes them out of the model.</summary>
    public abstract void Finish(long completed);

    /// <summary>Frees what <see cref="Finish"/> has taken out of the model.</summary>
    public virtual void Release() { }

    public long RankAfter(long completed) => Recipe.RankAfter(completed, Site.Limit);
}
