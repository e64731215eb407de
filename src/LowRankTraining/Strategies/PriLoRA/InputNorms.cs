namespace LowRankTraining.Strategies;

/// <summary>How large the entries of a layer's inputs are, as a moving average over training batches.</summary>
/// <remarks>ẑ ← β ẑ + (1 − β) ‖X_:j‖ / √rows for each entry j of the inputs, from zero. A batch without rows changes nothing, and an entry whose norm is not
/// finite keeps its average. The optimizer's state holds a copy, from which a resumed run starts. Where several processes train together, X
/// is what all of them have seen in a step.</remarks>
internal sealed class InputNorms(double decay) : InputWatch
{
    public const string Name = "input_norms";

    private static readonly StateSlot Slot = new(Name) { IsSingle = true };

    private readonly LaneSum _seen = new();
    private Tensor? _average;
    private ICollective? _world;

    /// <summary>From now on averages move once per step, by the batches of all processes.</summary>
    public override void Join(ICollective world) => _world = world;

    /// <summary>Takes a batch in.</summary>
    /// <param name="rows">N × n.</param>
    public override void See(Tensor rows)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        if (_world is not null)
            _seen.Add(SquaresAndCount(rows.detach()));
        else if (rows.shape[0] > 0)
            Move(rows.detach().norm(dim: 0).to(ScalarType.Float32).div(Math.Sqrt(rows.shape[0])));
    }

    /// <summary>‖X_:j‖² of each entry, and behind them the number of rows.</summary>
    private static Tensor SquaresAndCount(Tensor rows) =>
        cat([rows.to(ScalarType.Float64).square().sum(0L), full([1L], rows.shape[0], ScalarType.Float64, rows.device)]);

    public override void Settle(Tensor a)
    {
        if (_world is null)
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var width = a.shape[1];
        var seen = zeros(width + 1, ScalarType.Float64, a.device);
        using (var mine = _seen.Take())
            if (mine is not null)
                seen.copy_(mine);

        _world.AllReduce(seen);
        if (seen[width].ToDouble() is > 0 and var rows)
            Move(seen.narrow(0, 0, width).div_(rows).sqrt_().to(ScalarType.Float32));
    }

    /// <summary>ẑ ← β ẑ + (1 − β) ‖X_:j‖ / √rows.</summary>
    private void Move(Tensor norms)
    {
        _average ??= zeros_like(norms).DetachFromDisposeScope();
        Follow(norms);
        _average.copy_(where(norms.isfinite(), _average.mul(decay).add_(norms, 1 - decay), _average));
    }

    public override void Save(StateBag state)
    {
        if (_average is not null)
            state.Set(Name, _average.clone());
    }

    public override void Load(StateBag state)
    {
        Dispose();
        if (state.TryGet(Name, out var saved))
            _average = saved.clone().DetachFromDisposeScope();
    }

    /// <summary>I_ij = |A_ij| ẑ_j, or null before the first batch.</summary>
    public Tensor? Importance(Tensor a)
    {
        if (_average is null)
            return null;

        Follow(a);
        return a.detach().abs().to(ScalarType.Float32).mul(_average);
    }

    public override void Dispose()
    {
        _seen.Dispose();
        _average?.Dispose();
        _average = null;
    }

    /// <summary>Goes to where the layer has been moved to.</summary>
    private void Follow(Tensor tensor)
    {
        if (_average is null || _average.IsBeside(tensor))
            return;

        var old = _average;
        _average = old.to(tensor.device).DetachFromDisposeScope();
        old.Dispose();
    }

    /// <summary>A rule for A whose state has the norms beside it.</summary>
    internal sealed record Rule(UpdateRule Inner) : WrappedRule(Inner)
    {
        public override string LayoutFor(IReadOnlyList<long> shape) => $"{Inner.LayoutFor(shape)} with input norms";

        public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Inner.SlotsFor(shape).Append(Slot.Of(shape[1]));
    }
}
