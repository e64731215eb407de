namespace LowRankTraining.Layers;

/// <summary>What a model holds in the memory of its parameters beside them: frozen parameters, buffers and views over the same numbers.</summary>
/// <remarks>Such a neighbor sees a weight that is changed in place, and is left behind by one that is kept elsewhere.</remarks>
internal sealed class Neighbors
{
    private readonly ILookup<(DeviceType, int, IntPtr), (string Name, Tensor Tensor)> _byStorage;

    private Neighbors(ILookup<(DeviceType, int, IntPtr), (string, Tensor)> byStorage) => _byStorage = byStorage;

    public static Neighbors In(nn.Module model) => new(
        model.named_parameters().Select(pair => (pair.name, tensor: (Tensor)pair.parameter))
            .Concat(model.named_buffers().Select(pair => (pair.name, tensor: pair.buffer)))
            .Select(pair => (pair, storage: SharedMemory.StorageOf(pair.tensor)))
            .Where(entry => entry.storage is not null)
            .ToLookup(entry => entry.storage!.Value, entry => entry.pair));

    /// <summary>The names of all that has a number in common with <paramref name="parameter"/>, itself included.</summary>
    public IEnumerable<string> Over(Tensor parameter) => SharedMemory.StorageOf(parameter) is { } storage
        ? _byStorage[storage].Where(entry => SharedMemory.Overlap(entry.Tensor, parameter)).Select(entry => entry.Name)
        : [];
}
