namespace LowRankTraining.Layers;

/// <summary>Clears most of an Adam state, as ReLoRA does at a restart.</summary>
/// <remarks>Both moments lose the same entries. With separate masks an entry could keep its first moment and lose the second, and its next step would be that
/// moment over ε.</remarks>
internal sealed record MomentReset(OptimizerReset Mode, double Ratio, bool RestartClock)
{
    /// <value>Everything is cleared.</value>
    public static MomentReset All { get; } = new(OptimizerReset.Zero, Ratio: 1, RestartClock: true);

    /// <value>Counts what goes, where somebody asks.</value>
    public ZeroedShare? Zeroed { get; init; }

    /// <summary>Applies the reset to one bag. The parts cut a moment into what is pruned apart, each with the seed of its random mask.</summary>
    public void Apply(StateBag state, AdamRule adam, in TensorKind kind, IReadOnlyList<(Func<Tensor, Tensor> Of, ulong Key)> parts)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();

        var slots = adam.Moments.OrderBy(slot => slot.Order).Where(slot => slot.IsIn(state)).ToArray();
        if (slots.Length == 0)
            return;

        if (Mode == OptimizerReset.Zero)
        {
            Clear(state, adam, kind.Elements);
            return;
        }

        var first = slots[0].Read(state, kind);
        var masks = parts.Select(part => (part.Of, Survivors: Survivors(part.Of(first), part.Key))).ToArray();

        // A survivor is stored as it was: a mask rounds nothing, whatever the step.
        foreach (var slot in slots)
            slot.Change(state, kind, new StepContext { Step = 0 }, moment => Masked(moment, masks));

        if (RestartClock)
            state.SetCounter(adam.StepCounter, 0);
        Zeroed?.Count(slots[0].Read(state, kind));
    }

    /// <summary>Clears everything, for factors of another shape.</summary>
    public void Clear(StateBag state, AdamRule adam, long entries)
    {
        Zeroed?.CountAll(entries);
        var steps = state.Counter(adam.StepCounter);
        adam.Reset(state);
        if (!RestartClock)
            state.SetCounter(adam.StepCounter, steps);
    }

    private static Tensor Masked(Tensor moment, IEnumerable<(Func<Tensor, Tensor> Of, Tensor Survivors)> masks)
    {
        foreach (var (part, survivors) in masks)
            part(moment).mul_(survivors);
        return moment;
    }

    private Tensor Survivors(Tensor moment, ulong key)
    {
        if (Mode == OptimizerReset.MagnitudePruning)
            return MomentPruning.MagnitudeMask(moment, Ratio);

        using var generator = new Generator(key);
        return MomentPruning.RandomMask(moment, Ratio, generator);
    }
}

/// <summary>How much of the factors' first moments a restart has set to zero, counted where they are and read once, by whoever asks.</summary>
internal sealed class ZeroedShare : IDisposable
{
    private readonly List<Tensor> _left = [];
    private long _total;

    /// <summary>Counts a moment that has been reset in part.</summary>
    public void Count(Tensor moment)
    {
        _total += moment.numel();
        _left.Add(moment.count_nonzero().DetachFromDisposeScope());
    }

    /// <summary>Counts a moment that is gone.</summary>
    public void CountAll(long entries) => _total += entries;

    /// <summary>Zeros as a share of all entries; 0 where there are none.</summary>
    public double Read()
    {
        using var scope = NewDisposeScope();
        var left = _left.GroupBy(count => (count.device_type, count.device_index)).ToArray().Sum(counts => stack(counts).sum().ToInt64());
        return _total == 0 ? 0 : (double)(_total - left) / _total;
    }

    public void Dispose() => _left.ForEach(count => count.Dispose());
}

/// <summary>How much of the factors' optimizer state is cleared at a restart.</summary>
public enum OptimizerReset
{
    /// <summary>All of it.</summary>
    Zero,

    /// <summary>All but a random share.</summary>
    RandomPruning,

    /// <summary>All but the entries with the largest first moments.</summary>
    MagnitudePruning,
}
