namespace LowRankTraining.Numerics;

/// <summary>What custom functions return from their backward passes.</summary>
/// <remarks>The graph takes references of its own, but the managed objects would keep the memory until they are collected. They are freed by the next backward
/// pass on the same thread instead, when the graph has its own for sure.</remarks>
internal static class GraphGradients
{
    [ThreadStatic]
    private static List<Tensor?>? _last;

    /// <summary>Frees what the last backward on this thread gave to the graph.</summary>
    public static void ReleaseLast()
    {
        _last?.ForEach(tensor => tensor?.Dispose());
        _last = null;
    }

    /// <summary>Takes gradients out of every dispose scope and keeps them until the next backward.</summary>
    /// <returns>The list itself, as a custom function returns it: null where there is no gradient.</returns>
    public static List<Tensor> HandOver(List<Tensor?> gradients)
    {
        gradients.ForEach(tensor => tensor?.DetachFromDisposeScope());
        _last = gradients;
        return gradients!;
    }
}
