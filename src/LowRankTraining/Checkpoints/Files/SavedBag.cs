namespace LowRankTraining.Checkpoints;

/// <summary>A <see cref="StateBag"/> in a file: tensors "state/NAME/SLOT", and counters in the manifest.</summary>
internal static class SavedBag
{
    public static IEnumerable<TensorSource> Sources(this StateBag bag, string name) =>
        bag.Tensors.Select(slot => TensorSource.Of(TensorName(name, slot.Key), slot.Value));

    public static ParameterManifest Manifest(this StateBag bag, string name, long[] shape, string? dtype, string layout) =>
        new(name, shape, dtype, layout, [.. bag.Tensors.Keys], new Dictionary<string, long>(bag.Counters));

    /// <summary>Reads a bag, its tensors to <paramref name="device"/>.</summary>
    /// <param name="file">The file.</param>
    /// <param name="saved">What its manifest says of the bag.</param>
    /// <param name="name">The bag's name, which is the one in the manifest.</param>
    /// <param name="device">Where its tensors are to be.</param>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static StateBag ReadBag(this SafeTensorsFile file, SavedParameter saved, string name, Device device)
    {
        var bag = new StateBag();
        try
        {
            foreach (var (counter, value) in saved.Counters.Entries)
                bag.SetCounter(counter.Text, value.Int64);
            foreach (var item in saved.Slots.Items)
            {
                using var scope = NewDisposeScope();
                var slot = item.Text;
                if (bag.TryGet(slot, out _) || !file.Has(TensorName(name, slot)))
                    throw new InvalidDataException($"The file does not hold '{item.Short()}' for '{name}' once, and its manifest says so.");
                bag.Set(slot, file.Read(TensorName(name, slot)).to(device));
            }

            return bag;
        }
        catch
        {
            bag.Dispose();
            throw;
        }
    }

    private static string TensorName(string name, string slot) => $"state/{name}/{slot}";
}
