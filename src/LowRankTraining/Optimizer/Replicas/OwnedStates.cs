namespace LowRankTraining;

/// <summary>Work that processes divide: where a rule needs the whole gradient, one process has the state and takes the step, for all.</summary>
internal sealed class OwnedStates(IReadOnlyList<ParameterState> entries, CountedWorld world)
{
    private readonly List<(ParameterState Entry, int Owner)> _reduced = [];

    /// <value>What happened in the steps that this process has taken for all.</value>
    public StepCounters Counters { get; } = new();

    /// <value>Whether a parameter has an owner.</value>
    public bool Any => entries.Any(entry => entry.Owner is not null);

    /// <summary>Whether another process takes a parameter's steps.</summary>
    public bool IsElsewhere(ParameterState entry) => entry.Owner is { } owner && owner != world.Rank;

    /// <value>Whether every process has the sums of all gradients: it is asked for norms of those that others use.</value>
    public bool IsSummedEverywhere { get; private set; }

    /// <summary>Gives every parameter whose rule always needs the whole gradient to one process.</summary>
    public void Divide(Func<ParameterPlan, bool> canDivide, bool isSummedEverywhere)
    {
        IsSummedEverywhere = isSummedEverywhere;
        var divided = entries.Where(entry => canDivide(entry.Plan)).ToArray();
        if (WorkDivision.Of(world.Size, [.. divided.Select(entry => entry.Parameter.numel())]) is not { } owners)
            return;

        foreach (var (entry, owner) in divided.Zip(owners))
            entry.Owner = owner;
        DropStatesElsewhere();
    }

    public void DropStatesElsewhere()
    {
        foreach (var entry in entries.Where(IsElsewhere))
            entry.Bag.Clear();
    }

    /// <summary>Takes a parameter in that its owner updates for all.</summary>
    public void Add(ParameterState entry, int owner) => _reduced.Add((entry, owner));

    /// <summary>Brings the gradients to their owners alone; the others free them.</summary>
    public void Reduce(double share)
    {
        if (IsSummedEverywhere)
            return;

        foreach (var sameType in ReducedByType())
        {
            using var scope = NewDisposeScope();
            var owned = new OwnedTensors(world);
            foreach (var (entry, owner) in sameType)
            {
                var lanes = entry.Lanes.Take();
                if (lanes is not null)
                    scope.Attach(lanes);
                var gradient = entry.Parameter.grad ?? (IsElsewhere(entry) ? null : entry.SetZeroGradient());
                var here = world.LanesHere > 1 ? lanes ?? zeros(entry.Plan.Shape, entry.Parameter.dtype.Computing(), entry.Parameter.device) : gradient;
                owned.Add(owner, here, gradient, entry.Parameter);
            }

            owned.Reduce(share);
            foreach (var (entry, _) in sameType.Where(one => IsElsewhere(one.Entry)))
                entry.Parameter.grad = null;
        }
    }

    /// <summary>Gives everybody the weights that their owners have updated.</summary>
    /// <returns>What all have counted for the others.</returns>
    public long[] Gather()
    {
        foreach (var sameType in ReducedByType())
        {
            var owned = new OwnedTensors(world);
            foreach (var (entry, owner) in sameType)
                owned.Add(owner, entry.Parameter, null, entry.Parameter);
            owned.Gather();
        }

        Drop();
        using var counts = tensor(Counters.Take(), device: entries[0].Parameter.device);
        world.AllReduce(counts);
        return counts.cpu().data<long>().ToArray();
    }

    /// <summary>Drops what owners have updated, or were to update.</summary>
    public void Drop() => _reduced.Clear();

    /// <summary>Replaces squared norms of what waits for the step by those of its owner, who knows them.</summary>
    public void Share(double[] squares)
    {
        using var scope = NewDisposeScope();
        var sum = tensor(squares.Zip(entries, (square, entry) => entry.Owner is null ? 0 : square).ToArray(), device: entries[0].Parameter.device);
        world.AllReduce(sum);
        var together = sum.cpu().data<double>().ToArray();
        for (var place = 0; place < squares.Length; place++)
            if (entries[place].Owner is not null)
                squares[place] = together[place];
    }

    /// <summary>Brings all states here, on every process that keeps them.</summary>
    /// <returns>Disposed when they are not needed any more.</returns>
    public IDisposable Collect(bool keeps)
    {
        foreach (var entry in entries)
            if (entry.Owner is { } owner)
                StateBroadcast.Broadcast(world, entry.Bag, owner, entry.Parameter.device, keeps);
        return new Collected(this);
    }

    /// <summary>What owners update, by what can be sent in one message.</summary>
    private IEnumerable<IGrouping<(ScalarType, string), (ParameterState Entry, int Owner)>> ReducedByType() =>
        _reduced.GroupBy(one => (one.Entry.Parameter.dtype, one.Entry.Parameter.device.ToString()));

    /// <summary>States of all processes in one of them.</summary>
    private sealed class Collected(OwnedStates owned) : IDisposable
    {
        public void Dispose() => owned.DropStatesElsewhere();
    }
}
