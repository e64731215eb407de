using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <content>Work that processes divide: where a rule needs the whole gradient, one process has the state and takes the step, for all.</content>
public sealed partial class LowRankOptimizer
{
    private readonly StepCounters _countersOfOwned = new();
    private readonly List<(ParameterState Entry, int Owner)> _reducedToOwners = [];

    /// <summary>One line for each parameter: how it is updated, and which process has its state where that is one alone.</summary>
    public string Describe() => string.Join(Environment.NewLine, _entries.Select(entry =>
        (entry.Owner is { } owner ? entry.Plan.WithNote($"state and step in process {owner} of {_world!.Size}") : entry.Plan).ToLine()));

    private bool DividesWork => _entries.Exists(entry => entry.Owner is not null);

    private bool IsElsewhere(ParameterState entry) => entry.Owner is { } owner && owner != _world!.Rank;

    /// <summary>Gives every parameter whose rule always needs the whole gradient to one process.</summary>
    private void DivideWork()
    {
        var divided = _entries.Where(entry => Session.CanDivide(entry.Plan)).ToArray();
        if (WorkDivision.Of(_world!.Size, [.. divided.Select(entry => entry.Parameter.numel())]) is not { } owners)
            return;

        foreach (var (entry, owner) in divided.Zip(owners))
            entry.Owner = owner;
        DropStatesElsewhere();
    }

    private void DropStatesElsewhere()
    {
        foreach (var entry in _entries.Where(IsElsewhere))
            entry.Bag.Clear();
    }

    /// <summary>Brings the gradients of divided parameters to their owners; the others free them.</summary>
    private void ReduceToOwners(double share)
    {
        foreach (var sameType in ReducedByType())
        {
            using var scope = NewDisposeScope();
            var owned = new OwnedTensors(_world!);
            foreach (var (entry, owner) in sameType)
            {
                var lanes = entry.Lanes.Take();
                if (lanes is not null)
                    scope.Attach(lanes);
                var gradient = entry.Parameter.grad ?? (IsElsewhere(entry) ? null : SetZeroGradient(entry));
                var here = LanesHere > 1 ? lanes ?? zeros(entry.Plan.Shape, entry.Parameter.dtype.Computing(), entry.Parameter.device) : gradient;
                owned.Add(owner, here, gradient, entry.Parameter);
            }

            owned.Reduce(share);
            foreach (var (entry, _) in sameType.Where(one => IsElsewhere(one.Entry)))
                entry.Parameter.grad = null;
        }
    }

    /// <summary>What was brought to owners, by what can be sent in one message.</summary>
    private IEnumerable<IGrouping<(ScalarType, string), (ParameterState Entry, int Owner)>> ReducedByType() =>
        _reducedToOwners.GroupBy(one => (one.Entry.Parameter.dtype, one.Entry.Parameter.device.ToString()));

    /// <summary>Gives everybody the weights that their owners have updated, and adds up what was counted.</summary>
    private void GatherFromOwners()
    {
        if (!DividesWork)
            return;

        foreach (var sameType in ReducedByType())
        {
            var owned = new OwnedTensors(_world!);
            foreach (var (entry, owner) in sameType)
                owned.Add(owner, entry.Parameter, null, entry.Parameter);
            owned.Gather();
        }

        _reducedToOwners.Clear();
        using var counts = tensor(_countersOfOwned.Take(), device: _entries[0].Parameter.device);
        _world!.AllReduce(counts);
        _counters.Add(counts.cpu().data<long>().ToArray());
    }

    /// <summary>Squared norms of what each parameter's update will use: of divided ones their owners know them.</summary>
    private double[] SquaredNorms()
    {
        double[] squares = [.. _entries.Select(SquaredNormOf)];
        if (!DividesWork)
            return squares;

        using var scope = NewDisposeScope();
        var sum = tensor(squares.Zip(_entries, (square, entry) => entry.Owner is null ? 0 : square).ToArray(), device: _entries[0].Parameter.device);
        _world!.AllReduce(sum);
        var together = sum.cpu().data<double>().ToArray();
        return [.. squares.Select((square, place) => _entries[place].Owner is null ? square : together[place])];
    }

    /// <summary>Brings all states here, on every process that keeps them.</summary>
    /// <returns>Disposed when they are not needed any more; null where they are here anyway.</returns>
    private Collected? CollectStates(bool keeps)
    {
        if (!DividesWork)
            return null;

        foreach (var entry in _entries)
            if (entry.Owner is { } owner)
                SentBag.Broadcast(_world!, entry.Bag, owner, entry.Parameter.device, keeps);
        return new(this);
    }

    /// <summary>States of all processes in one of them.</summary>
    private sealed class Collected(LowRankOptimizer optimizer) : IDisposable
    {
        public void Dispose() => optimizer.DropStatesElsewhere();
    }
}
