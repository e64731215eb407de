using System.Collections.Concurrent;

namespace LowRankTraining.Parts;

/// <summary>A format of short codes. Tensors below a number of elements stay float32: they cost next to nothing, and suffer most.</summary>
public abstract record QuantizedFormat : StateFormat
{
    private static readonly ConcurrentDictionary<(string Name, string Ending), string> Names = [];

    private protected QuantizedFormat() { }

    /// <value>Numbers that a tensor must have to be quantized. Default 4096 (bitsandbytes): smaller ones, such as norms
    /// and biases, stay float32 under the slot's own name.</value>
    public long Threshold { get; init; } = 4096;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks.AtLeast(0, Threshold);

    /// <summary>Endings of the names of what is kept beside the codes.</summary>
    private protected abstract IReadOnlyList<string> Companions { get; }

    private protected abstract Tensor Decode(StateBag state, MomentSlot slot, Tensor codes, in TensorKind like);

    /// <summary>The codes, and their companions in order.</summary>
    private protected abstract (Tensor Codes, IReadOnlyList<Tensor> Companions) Encode(MomentSlot slot, Tensor value);

    private protected abstract long QuantizedBytes(long elements);

    /// <summary>Codes in the processor's own memory; null where that is not offered.</summary>
    private protected virtual HostMoment? CodesOnHost(StateBag state, MomentSlot slot, in TensorKind like) => null;

    internal sealed override Tensor Read(StateBag state, MomentSlot slot, in TensorKind like)
    {
        if (!Quantizes(like.Elements))
            return Float32.Read(state, slot, like);

        return state.TryGet(slot.Name, out var codes) ? Decode(state, slot, codes, like) : like.Zeros();
    }

    internal sealed override HostMoment? OnHost(StateBag state, MomentSlot slot, in TensorKind like) =>
        Quantizes(like.Elements) ? CodesOnHost(state, slot, like) : Float32.OnHost(state, slot, like);

    internal sealed override void Write(StateBag state, MomentSlot slot, Tensor value, in StepContext step)
    {
        if (!Quantizes(value.numel()))
        {
            // The rank may have fallen since the last time.
            Float32.Write(state, slot, value, step);
            RemoveCompanions(state, slot);
            return;
        }

        var (codes, companions) = Encode(slot, value);
        state.Set(slot.Name, codes);
        foreach (var (ending, companion) in Companions.Zip(companions))
            state.Set(Companion(slot.Name, ending), companion);
    }

    internal sealed override void Remove(StateBag state, MomentSlot slot)
    {
        state.Remove(slot.Name);
        RemoveCompanions(state, slot);
    }

    internal sealed override long BytesFor(long elements) => Quantizes(elements) ? QuantizedBytes(elements) : Float32.BytesFor(elements);

    internal sealed override bool IsExact(long elements) => !Quantizes(elements);

    internal sealed override IEnumerable<StateSlot> SlotsFor(string name, long elements) =>
        [.. base.SlotsFor(name, elements), .. Companions.Select(ending => new StateSlot(Companion(name, ending)) { IsSingle = true })];

    /// <summary>The name of what is kept beside codes, made once.</summary>
    private protected static string Companion(string name, string ending) => Names.GetOrAdd((name, ending), pair => pair.Name + pair.Ending);

    private bool Quantizes(long elements) => elements >= Threshold;

    private void RemoveCompanions(StateBag state, MomentSlot slot)
    {
        foreach (var ending in Companions)
            state.Remove(Companion(slot.Name, ending));
    }
}
