namespace LowRankTraining.Layers;

public sealed partial class AdapterSession
{
    /// <value>Whether the factors are in the weights temporarily, see <see cref="Merge"/>.</value>
    public bool IsMerged { get; private set; }

    /// <summary>Puts the factors into their weights temporarily: the forward pass is then that of the plain model, at its speed, until
    /// <see cref="Unmerge"/>.</summary>
    /// <param name="safe">Whether factors and merged weights are looked through for NaN and infinity first. Default true.</param>
    /// <param name="keep">Where the weights from before are kept, a copy of every adapted one. Default: on the CPU.</param>
    /// <remarks>
    /// <para>W + s B A is computed in float32 and rounded once, as <see cref="Finish"/> rounds it: both give the same bits. <c>eval()</c> and <c>train()</c>
    /// never merge by themselves.</para>
    /// <para>While merged, the optimizer refuses to step; a checkpoint of the model would hold factors and merged weights both, so unmerge before saving
    /// one.</para>
    /// </remarks>
    /// <exception cref="InvalidOperationException">Merged or finished already; or with <paramref name="safe"/>, factors or merged weights hold NaN or infinity.
    /// Nothing was changed.</exception>
    /// <exception cref="NotSupportedException">The method cannot. Nothing was changed.</exception>
    public void Merge(bool safe = true, Device? keep = null)
    {
        RequireAtWork();
        RequireUnmerged();
        if (_adapters.FirstOrDefault(adapter => !adapter.CanMerge) is { } fixedOne)
            throw new NotSupportedException($"'{fixedOne.Name}' cannot be merged temporarily by {Strategy}: call Finish() to merge it for good. "
                + "Nothing was changed.");
        if (safe)
            Adapter.RequireMergeable(_adapters);

        using var guard = no_grad();
        var merged = new Stack<Adapter>();
        try
        {
            foreach (var adapter in _adapters)
            {
                adapter.Merge(keep ?? CPU, _completed);
                merged.Push(adapter);
                if (safe && !LowRankFactors.AreFinite([adapter.Weight]))
                    throw new InvalidOperationException($"The weight '{adapter.Name}' would hold NaN or infinity with its factors in it. Nothing was changed.");
            }
        }
        catch
        {
            foreach (var adapter in merged)
                adapter.Unmerge();
            throw;
        }

        IsMerged = true;
    }

    /// <summary>Takes the factors out of the weights again, which are then bit for bit what they were before <see cref="Merge"/>.</summary>
    /// <exception cref="InvalidOperationException">They are not merged.</exception>
    public void Unmerge()
    {
        if (!IsMerged)
            throw new InvalidOperationException("The factors are not merged: call Merge() first.");

        ForEach(adapter => adapter.Unmerge());
        IsMerged = false;
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The session is finished; or the factors are merged; or they await their start, see <see cref="Initialize"/>;
    /// or the model does not run what was adapted, or no longer shares what it shared. Nothing was changed.</exception>
    public void BeforeStep()
    {
        RequireUnfinished();
        RequireUnmerged();
        RequireInitialized();
        RequireReached();
        _ties?.Require();
        foreach (var adapter in _adapters)
        {
            adapter.Injector.FindGradient();
            adapter.Prepare();
        }
    }

    private void RequireUnmerged()
    {
        if (IsMerged)
            throw new InvalidOperationException("The factors are merged into the weights: "
                + "call Unmerge() on the session first, which brings both back as they were.");
    }
}
