using LowRankTraining.Checkpoints;
using LowRankTraining.Diagnostics;

namespace LowRankTraining;

/// <summary>The optimizer's memory of one parameter, as TorchSharp wants to see it.</summary>
internal sealed partial class ParameterState : OptimizerState, IGradientTaker
{
    /// <summary>A gradient that an open window has left where it is, in a state that is saved.</summary>
    public static readonly StateSlot PendingGradient = new("pending_gradient");

    private readonly ScalarType _dtype;
    private readonly DeviceType _device;
    private readonly int _deviceIndex;

    public ParameterState(Parameter parameter, ParameterPlan plan, int index, LowRankOptimizer optimizer) : base(parameter)
    {
        Plan = plan;
        Index = index;
        Optimizer = optimizer;
        Bag = plan.NewState(PendingGradient);
        Store = plan.Store ?? (plan.HasRemainder ? new RemainderStore(parameter, Bag) : new ParameterStore(parameter));
        (_dtype, _device, _deviceIndex) = (parameter.dtype, parameter.device_type, parameter.device_index);
    }

    /// <value>Whether the parameter has been moved since, without becoming another: those that live in native code do not.</value>
    public bool WasMoved =>
        _parameter.dtype != _dtype || _parameter.device_type != _device || (IsOnDevice && _parameter.device_index != _deviceIndex);

    /// <value>Whether a read of its numbers would have to wait for another processor.</value>
    public bool IsOnDevice => !_device.IsHere();

    public ParameterPlan Plan { get; }

    /// <value>The process that has the state and takes the step; null where all do.</value>
    public int? Owner { get; set; }

    public int Index { get; }

    public LowRankOptimizer Optimizer { get; }

    /// <value>The group that it is in.</value>
    public required LowRankOptimizer.ParamGroup Group { get; init; }

    /// <value>Whether it has been updated in a backward pass since the last step.</value>
    public bool IsUpdated { get; set; }

    /// <value>Whether this step takes what has been accumulated, and not a gradient that is there.</value>
    public bool TakesAccumulated { get; set; }

    /// <value>What is known of sending its R in the backward pass.</value>
    public EarlyPart Early { get; } = new();

    public StateBag Bag { get; }

    public IWeightStore Store { get; }

    /// <value>What of the gradient the micro-batches have in them, where they are taken lane by lane.</value>
    public Held InLanes { get; set; }

    /// <value>Micro-batches of this step, where they are taken lane by lane.</value>
    public LaneGradients Lanes { get; } = new();

    public Parameter Parameter => _parameter;

    /// <value>What its rule may know about the next step.</value>
    public StepContext Context => Optimizer.ContextFor(this);

    public override void Initialize(OptimizerOptions options) => Bag.Clear();

    bool IGradientTaker.TakeProduct(Tensor delta, Tensor input, bool isAll)
    {
        // What is looked at besides the projection has to be of the whole gradient: of all passes through the layer, and of all processes.
        var step = Context;
        var isTaken = ((isAll && !Optimizer.IsParallel) || Plan.Rule.NeedsOnlyProjection(Bag, step))
            && Plan.Rule.TryAccumulateProduct(delta, input, Bag, step);
        if (!isTaken)
            return false;
        Early.Change();
        Optimizer.Window.Follow();
        return true;
    }

    bool IGradientTaker.TakeComplete(Tensor? held) => Optimizer.TakeComplete(this, held);

    /// <summary>What is saved of it, for a weight of some shape.</summary>
    public ParameterManifest Manifest(long[] shape) => Bag.Manifest(Plan.Name, shape, SafeTensorsTypes.NameOf(Parameter.dtype), LayoutFor(shape));

    /// <summary>Nothing: the options of the first group hold all states.</summary>
    public override void SaveStateDict(BinaryWriter writer) { }

    /// <inheritdoc cref="SaveStateDict"/>
    public override void LoadStateDict(BinaryReader reader) { }

    public override void LoadStateDict(OptimizerState source)
    {
        using var copy = ((ParameterState)source).Bag.CopyTo(Parameter.device);
        Bag.TakeFrom(copy);
    }

    public override void to(Device device)
    {
        using var moved = Bag.CopyTo(device);
        Bag.TakeFrom(moved);
    }

    public override bool ApproximatelyEquals(OptimizerState other) =>
        other is ParameterState { Bag: var bag }
        && Bag.Counters.SequenceEqual(bag.Counters)
        && Bag.Tensors.Keys.SequenceEqual(bag.Tensors.Keys)
        && Bag.Tensors.All(slot => slot.Value.allclose(bag[slot.Key]));

    /// <summary>What was saved for a parameter, cast where that one was of another dtype.</summary>
    public StateBag Fitted(StateBag loaded, ScalarType? saved)
    {
        if (saved != Parameter.dtype || !Plan.HasRemainder)
            RemainderStore.Drop(loaded);
        if (saved == Parameter.dtype)
            return loaded;

        using var scope = NewDisposeScope();
        using var pending = loaded.TryGet(PendingGradient, out var gradient) ? gradient.to(Parameter.dtype, copy: true) : null;
        loaded.Cast(Parameter.dtype.Computing(), Plan.Slots.Where(slot => slot.IsSingle).Select(slot => slot.Name).ToHashSet());
        if (pending is not null)
            loaded.Set(PendingGradient, pending.alias());
        return loaded;
    }

    private string LayoutFor(long[] shape) => Plan.Rule.LayoutFor(shape);
}
