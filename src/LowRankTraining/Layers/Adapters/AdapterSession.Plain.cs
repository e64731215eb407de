using LowRankTraining.Checkpoints;

namespace LowRankTraining.Layers;

public sealed partial class AdapterSession
{
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

    /// <summary>What the model holds under names that it did not have before: parameters, and buffers of layers with factors.</summary>
    private IEnumerable<string> EntriesOfFactors()
    {
        var plain = _order.ToHashSet();
        var layers = ParameterPlace.ModulesOf(_model).Where(pair => LowRankFactors.AreIn(pair.Module)).ToArray();
        return _model.named_parameters().Select(pair => pair.name)
            .Concat(layers.SelectMany(layer => layer.Module.state_dict().Keys.Select(name => layer.Path.Length == 0 ? name : $"{layer.Path}.{name}")))
            .Where(name => !plain.Contains(name)).Distinct();
    }
}
