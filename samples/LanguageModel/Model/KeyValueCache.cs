using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Model;

/// <summary>Keys and values of the positions that one layer has seen, so that a text that grows by a token costs one position and not all of them.</summary>
public sealed class KeyValueCache : IDisposable
{
    private Tensor? keys;
    private Tensor? values;

    /// <value>Positions seen.</value>
    public long Length => keys?.shape[2] ?? 0;

    /// <summary>Adds positions, and gives all of them.</summary>
    /// <param name="newKeys">(batch, head, position, feature).</param>
    /// <param name="newValues">The same shape.</param>
    /// <exception cref="InvalidOperationException">More than one position at a time, after the first ones.</exception>
    public (Tensor Keys, Tensor Values) Add(Tensor newKeys, Tensor newValues)
    {
        if (Length > 0 && newKeys.shape[2] != 1)
            throw new InvalidOperationException("After the beginning of a text, a cache takes one position at a time.");
        return (keys = Grown(keys, newKeys), values = Grown(values, newValues));
    }

    /// <summary>Frees all.</summary>
    public void Dispose()
    {
        keys?.Dispose();
        values?.Dispose();
        keys = values = null;
    }

    private static Tensor Grown(Tensor? seen, Tensor added)
    {
        using var old = seen;
        return (old is null ? added.clone() : cat([old, added], 2)).DetachFromDisposeScope();
    }
}

/// <summary>A layer of attention that can keep what it has seen.</summary>
public interface IKeepsKeyValues
{
    /// <value>Where; null for nowhere. A call then goes on from what was kept before, at the positions after it.</value>
    KeyValueCache? Cache { get; set; }
}
