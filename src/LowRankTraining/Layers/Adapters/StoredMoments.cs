namespace LowRankTraining.Layers;

/// <summary>Changes moments between two steps, in whatever format they are stored.</summary>
internal static class StoredMoments
{
    /// <summary>Replaces a stored moment by what is made of it. Nothing happens where there is none.</summary>
    /// <param name="slot">The moment.</param>
    /// <param name="state">Where it is.</param>
    /// <param name="kind">The shape that it has now, and a dtype like its parameter's.</param>
    /// <param name="step">What rounding is keyed by.</param>
    /// <param name="change">The new value for the old one, which it may be itself, changed in place.</param>
    public static void Change(this MomentSlot slot, StateBag state, in TensorKind kind, in StepContext step, Func<Tensor, Tensor> change)
    {
        using var scope = NewDisposeScope();
        if (slot.IsIn(state))
            slot.Write(state, change(slot.Read(state, kind)), step);
    }
}
