using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A re-parameterized matrix at work, whichever way its parts entered the model.</summary>
/// <param name="site">The matrix.</param>
/// <param name="reason">Why this way in was chosen.</param>
internal abstract class Adapter(Site site, string reason)
{
    protected Site Site { get; } = site;

    public string Name => Site.Name;

    public Parameter Weight => Site.Weight;

    public string Reason { get; protected set; } = reason;

    public abstract Injection Injection { get; }

    /// <value>The rank of the factors now.</value>
    public abstract long Rank { get; }

    /// <value>The parameters that the optimizer gets for this matrix.</value>
    public abstract IEnumerable<ParameterPlan> Plans { get; }

    /// <value>Bytes of the weight while it is not trained, as it is kept.</value>
    public virtual long FrozenBytes => Weight.requires_grad ? 0 : Weight.NumberOfElements * Weight.ElementSize;

    /// <value>Whether the parts have taken part in a forward pass, or need not.</value>
    public virtual bool IsReached => true;

    /// <value>Whether the parts have run since this was last set to false. Parts that are in the weight itself run with it, whoever uses it.</value>
    public virtual bool HasRun { get => true; set { } }

    /// <value>Whether the parts act, or will from the first step on, although they have not run.</value>
    public virtual bool ActsUnrun => false;

    /// <summary>Brings parts of the adapter to where the model has been moved to, as far as the model has not done so itself.</summary>
    public virtual void Follow() { }

    /// <summary>Changes the model. Called once, when every matrix is known to be adaptable.</summary>
    public abstract void Install();

    /// <summary>Looks at the gradients of a step that is about to be taken.</summary>
    /// <exception cref="InvalidOperationException">The parts take no part in it, and cannot. Nothing was changed.</exception>
    public virtual void RequireRunnable() { }

    /// <summary>Learns from the step that has just been taken.</summary>
    public virtual void Observe(IOptimizerState state) { }

    /// <summary>Begins the step that follows after so many. Called after every step, and when a run is resumed.</summary>
    public virtual void After(long completed) { }

    /// <summary>Brings shapes and gradient flags into the form that they have after so many steps. The optimizer's state
    /// is loaded already; values of the model follow.</summary>
    public abstract void ResumeAt(long completed, IOptimizerState state);

    /// <value>False when the parts hold NaN or infinity and must not be merged.</value>
    public virtual bool IsMergeable => true;

    /// <value>Whether the parts can be in the weight for a while, and not in the forward pass.</value>
    public virtual bool CanMerge => false;

    /// <summary>Puts the parts into the weight, until <see cref="Unmerge"/>, and keeps a copy of the weight until then.</summary>
    /// <param name="keep">Where the copy is kept.</param>
    /// <param name="completed">Steps taken so far: the weight is rounded as <see cref="Finish"/> would round it after as many.</param>
    public virtual void Merge(Device keep, long completed) { }

    /// <summary>Undoes <see cref="Merge"/>, bit for bit.</summary>
    public virtual void Unmerge() { }

    /// <summary>Merges the parts for good and takes them out of the model.</summary>
    public abstract void Finish(long completed);

    /// <summary>Frees what <see cref="Finish"/> has taken out of the model.</summary>
    public virtual void Release() { }

    /// <exception cref="InvalidOperationException">One of them must not be merged. Nothing was changed.</exception>
    public static void RequireMergeable(IEnumerable<Adapter> adapters)
    {
        if (adapters.FirstOrDefault(adapter => !adapter.IsMergeable) is { } broken)
            throw new InvalidOperationException($"The low-rank factors of '{broken.Name}' hold NaN or infinity and were not merged: "
                + "the training has diverged. Go back to a checkpoint and lower the learning rate.");
    }
}
