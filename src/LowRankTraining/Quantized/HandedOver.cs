using static TorchSharp.torch;

namespace LowRankTraining.Quantized;

/// <summary>Frees what a custom function has returned from backward: it would live as a managed object until that is collected, and a step's largest tensors must not.</summary>
internal static class HandedOver
{
    [ThreadStatic]
    private static List<Tensor?>? _last;

    /// <summary>Frees what the last backward on this thread gave to the graph, which has references of its own by now.</summary>
    public static void Free() => _last?.ForEach(tensor => tensor?.Dispose());

    /// <summary>Gives gradients to the graph: one for each argument of the function, null where there is none.</summary>
    public static List<Tensor> Give(List<Tensor?> gradients)
    {
        gradients.ForEach(tensor => tensor?.DetachFromDisposeScope());
        return (_last = gradients)!;
    }
}
