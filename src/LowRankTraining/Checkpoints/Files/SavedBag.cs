namespace LowRankTraining.Checkpoints;

/// <summary>A <see cref="StateBag"/> in a file: tensors "state/NAME/SLOT", and counters in the manifest.</summary>
internal static class SavedBag
{
    public static IEnumerable<TensorSource> Sources(this StateBag bag, string name) =>
        bag.Tensors.Select(slot => TensorSource.Of(TensorName(name, slot.Key), slot.Value));

    public static ParameterManifest Manifest(this StateBag bag, string name, long[] shape, string? dtype, string layout) =>
        new(name, shape, dtype, layout, [.. bag.Tensors.Keys], new Dictionary<string, long>(bag.Counters));

    /// <summary>Reads a bag, its tensors to <paramref name="device"/>.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static StateBag ReadBag(this SafeTensorsFile file, ParameterManifest saved, Device device)
    {
        var bag = new StateBag();
        try
        {
            foreach (var (name, value) in saved.Counters)
                bag.SetCounter(name, value);
            foreach (var slot in saved.Slots)
            {
                using var scope = NewDisposeScope();
                if (!file.Has(TensorName(saved.Name, slot)))
                    throw new InvalidDataException($"The file holds no '{slot}' for '{saved.Name}', and its manifest says so.");
                bag.Set(slot, file.Read(TensorName(saved.Name, slot)).to(device));
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
