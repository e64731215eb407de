using LowRankTraining.Checkpoints;

namespace LowRankTraining.Layers;

/// <content>The factors in their weights: temporarily, and in a file.</content>
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

    /// <summary>Saves the plain model that <see cref="Finish"/> would leave, in TorchSharp's format, and trains on: a model that knows nothing of this library
    /// loads it with <c>model.load(path)</c>.</summary>
    /// <param name="path">Where. The file is written beside an old one and takes its place when it is complete.</param>
    /// <remarks>The way back, the weights of a plain file under factors that stay: <c>model.load(path, strict: false)</c>.</remarks>
    /// <exception cref="InvalidOperationException">The session is finished; or factors or merged weights hold NaN or infinity. Nothing was written.</exception>
    /// <exception cref="NotSupportedException">The method cannot merge temporarily. Nothing was written.</exception>
    public void SavePlain(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        RequireAtWork();
        var merges = !IsMerged;
        if (merges)
            Merge();
        try
        {
            AtomicFile.Write(path, stream =>
            {
                using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
                _model.save(writer, [.. EntriesOfFactors()]);
            });
        }
        finally
        {
            if (merges)
                Unmerge();
        }
    }

    private void RequireUnmerged()
    {
        if (IsMerged)
            throw new InvalidOperationException("The factors are merged into the weights: "
                + "call Unmerge() on the session first, which brings both back as they were.");
    }

    /// <summary>What the model holds under names that it did not have before: parameters, and buffers of layers with factors.</summary>
    private IEnumerable<string> EntriesOfFactors()
    {
        var plain = _order.ToHashSet();
        var layers = ParameterPlace.ModulesOf(_model).Where(pair => LowRankFactors.AreIn(pair.Module)).ToArray();
        return _model.named_parameters().Select(pair => pair.name)
            .Concat(layers.SelectMany(layer => layer.Module.state_dict().Keys.Select(name => ParameterPlace.Join(layer.Path, name))))
            .Where(name => !plain.Contains(name)).Distinct();
    }
}
