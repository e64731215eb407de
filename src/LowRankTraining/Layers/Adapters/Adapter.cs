namespace LowRankTraining.Layers;

/// <summary>A re-parameterized matrix at work, whichever way its parts entered the model.</summary>
internal abstract class Adapter(Site site, Injector injector, string reason)
{
    public Site Site { get; } = site;

    public Injector Injector { get; } = injector;

    public string Name => Site.Name;

    public Parameter Weight => Site.Weight;

    public string Reason { get; protected set; } = reason;

    public virtual Injection Injection => Injector.Injection;

    /// <value>The rank of the factors now.</value>
    public abstract long Rank { get; }

    /// <value>The parameters that the optimizer gets for this matrix.</value>
    public abstract IEnumerable<ParameterPlan> Plans { get; }

    /// <value>What goes into the weight in the end, and must be finite for that.</value>
    protected virtual IEnumerable<Tensor> Merged => [];

    /// <value>Bytes of the weight while it is not trained, as it is kept.</value>
    public virtual long FrozenBytes => Weight.requires_grad ? 0 : Weight.NumberOfElements * Weight.ElementSize;

    /// <value>The layer that runs in the place of the plain one or after it; null where the model runs the plain one alone.</value>
    public virtual ReparameterizedLinear? Replacing => null;

    /// <value>Whether the parts have taken part in a forward pass, or need not.</value>
    public virtual bool IsReached => HasRun;

    /// <value>Whether the model has just run the layer without them.</value>
    public virtual bool IsPassedBy => false;

    /// <value>Whether the parts have run since this was last set to false.</value>
    public virtual bool HasRun { get => Injector.HasRun; set => Injector.HasRun = value; }

    /// <value>Whether the parts act, or will from the first step on, although they have not run.</value>
    public virtual bool ActsUnrun => false;

    /// <summary>The factors as a change of a weight that is known; null where they are none. In the dispose scope of the caller.</summary>
    /// <param name="state">The optimizer's memory, or null where there is no optimizer yet.</param>
    public virtual FactorSet? FactorsIn(IOptimizerState? state) => null;

    /// <value>Whether the factors still have to be found from a gradient of the weight.</value>
    public virtual bool AwaitsGradient => false;

    /// <value>Whether the parts can be put into the weight, and taken out of it again.</value>
    public virtual bool CanMerge => false;

    /// <summary>Changes the model. Called once, when every matrix is known to be adaptable.</summary>
    public virtual void Install() => Injector.Install();

    /// <summary>Gives the optimizer's state what the parts start with.</summary>
    public virtual void Begin(IOptimizerState state) { }

    /// <summary>Looks at the gradients of a step that is about to be taken.</summary>
    /// <exception cref="InvalidOperationException">The parts take no part in it, and cannot. Nothing was changed.</exception>
    public virtual void RequireRunnable() { }

    /// <summary>Makes ready for a step that is certain to be taken.</summary>
    public virtual void Prepare() { }

    /// <summary>Takes note of the step that has just been taken.</summary>
    public virtual void Observe(IOptimizerState state) { }

    /// <summary>Says for which lane of the step the next forward passes are.</summary>
    public virtual void InLane(long lane) { }

    /// <summary>Takes note of a step that has been left out.</summary>
    public virtual void LeaveOut(IOptimizerState state) { }

    /// <summary>Puts what the layers know of a step that has begun into the state, which is about to be saved.</summary>
    public virtual void BeforeSave(IOptimizerState state) { }

    /// <summary>Says, before the first step, which processes train the model together.</summary>
    public virtual void Join(ICollective world) { }

    /// <summary>Begins the step that follows after so many. Called after every step, and when a run is resumed.</summary>
    public virtual void After(long completed) { }

    /// <summary>Brings shapes and gradient flags into the form that they have after so many steps. The optimizer's state
    /// is loaded already; values of the model follow.</summary>
    public virtual void ResumeAt(long completed, IOptimizerState state) { }

    /// <summary>The factors' start for a gradient of the weight, without changing anything.</summary>
    public virtual (Tensor A, Tensor B) StartFor(Tensor gradient) => throw new NotSupportedException($"'{Name}' does not start from a gradient.");

    /// <summary>Starts from these factors, which leave the weight.</summary>
    public virtual void StartWith(Tensor a, Tensor b) => throw new NotSupportedException($"'{Name}' does not start from a gradient.");

    /// <summary>Puts the parts into the weight, until <see cref="Unmerge"/>, and keeps a copy of the weight until then.</summary>
    /// <param name="keep">Where the copy is kept.</param>
    /// <param name="completed">Steps taken so far: the weight is rounded as <see cref="Finish"/> would round it after as many.</param>
    public virtual void Merge(Device keep, long completed) { }

    /// <summary>Undoes <see cref="Merge"/>, bit for bit.</summary>
    public virtual void Unmerge() { }

    /// <summary>Merges the parts for good and takes them out of the model.</summary>
    public virtual void Finish(long completed) => Injector.Remove();

    /// <summary>Frees what <see cref="Finish"/> has taken out of the model.</summary>
    public virtual void Release() { }

    /// <remarks>One read from the device for all of them.</remarks>
    /// <exception cref="InvalidOperationException">One of them must not be merged. Nothing was changed.</exception>
    public static void RequireMergeable(IReadOnlyCollection<Adapter> adapters)
    {
        if (!LowRankFactors.AreFinite(adapters.SelectMany(adapter => adapter.Merged)))
            throw new InvalidOperationException($"The low-rank factors of '{adapters.First(adapter => !LowRankFactors.AreFinite(adapter.Merged)).Name}' "
                + "hold NaN or infinity and were not merged: the training has diverged. Go back to a checkpoint and lower the learning rate.");
    }
}
