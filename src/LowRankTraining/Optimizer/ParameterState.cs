using LowRankTraining.Checkpoints;

namespace LowRankTraining;

/// <summary>The optimizer's memory of one parameter, as TorchSharp wants to see it.</summary>
internal sealed class ParameterState : OptimizerState, IGradientTaker
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

    public required LowRankOptimizer.ParamGroup Group { get; init; }

    /// <value>Whether it has been updated in a backward pass since the last step.</value>
    public bool IsUpdated { get; set; }

    /// <value>Whether this step takes what has been accumulated, and not a gradient that is there.</value>
    public bool TakesAccumulated { get; set; }

    /// <value>What the gradient of this step is good for, where the optimizer has looked at all of a device; else null.</value>
    public GradientVerdict? Verdict { get; set; }

    /// <value>What is known of sending its R in the backward pass.</value>
    public OverlappedPart Overlap { get; } = new();

    public StateBag Bag { get; }

    public IWeightStore Store { get; }

    /// <value>What of the gradient the micro-batches have in them, where they are taken lane by lane.</value>
    public LocalGradient InLanes { get; set; }

    /// <value>Micro-batches of this step, where they are taken lane by lane.</value>
    public LaneGradients Lanes { get; } = new();

    public Parameter Parameter => _parameter;

    /// <value>What its rule may know about the next step.</value>
    public StepContext Context => Optimizer.ContextFor(this);

    public bool HasGradient => Parameter.HasGradient();

    /// <value>What the rule has taken of the gradient in its subspace; null for nothing.</value>
    public Tensor? Accumulated => Plan.Rule.AccumulatedIn(Bag);

    /// <value>What has been taken of the gradient: accumulated, and lane by lane.</value>
    public IEnumerable<Tensor?> Taken => Lanes.Tensors.Append(Accumulated);

    /// <value>Whether the next update needs of a gradient only products with thin matrices.</value>
    public bool NeedsOnlyProducts => Plan.Rule.NeedsOnlyProducts(Plan.Shape, Bag, Context);

    /// <summary>The gradient as it stands, or null. A sparse one, as embeddings can have, gets all of its rows first: rules look at whole matrices.</summary>
    public Tensor? DenseGradient()
    {
        var gradient = Parameter.grad;
        if (gradient is not { is_sparse: true })
            return gradient;

        using (gradient)
        using (var dense = gradient.to_dense())
            Parameter.grad = dense;
        return Parameter.grad;
    }

    /// <summary>The gradient to be written to, or null. One that shows a number in several places, as <c>expand</c> makes it, gets memory for each
    /// first.</summary>
    public Tensor? WritableGradient()
    {
        var gradient = Parameter.grad;
        if (gradient is null || !SharedMemory.IsExpanded(gradient))
            return gradient;

        using (gradient)
        using (var own = gradient.contiguous())
            Parameter.grad = own;
        return Parameter.grad;
    }

    /// <summary>Frees a gradient that is taken in the backward pass, and leaves any other so that it can be zeroed.</summary>
    public void ClearGradient()
    {
        if (Plan.Sink is { IsOpen: true })
            Parameter.grad = null;
        else
            WritableGradient()?.Dispose();
    }

    public Tensor SetZeroGradient()
    {
        using (var zero = zeros(Plan.Shape, Parameter.dtype, Parameter.device))
            Parameter.grad = zero;
        return Parameter.grad!;
    }

    /// <summary>Takes a gradient into the subspace, where that is all that the next update needs of it.</summary>
    /// <param name="gradient">In computing precision.</param>
    public bool TryAccumulate(Tensor gradient) => Plan.Rule.TryAccumulate(gradient, Bag, Context);

    /// <summary>What has been accumulated; zeros where nothing has.</summary>
    /// <exception cref="InvalidOperationException">Here the next update needs the whole gradient.</exception>
    public Tensor ProjectedOrZeros()
    {
        if (Accumulated is { } projected)
            return projected;

        using var scope = NewDisposeScope();
        if (!TryAccumulate(zeros(Plan.Shape, Parameter.dtype.Computing(), Parameter.device)))
            throw new InvalidOperationException(
                $"Another process projects the gradient of '{Plan.Name}', and this one needs all of it: their states are not those of one run. "
                + "Load the same checkpoint in every process.");
        return Accumulated!;
    }

    public void DropAccumulated() => Plan.Rule.DropAccumulated(Bag);

    /// <summary>Multiplies all that waits for the step.</summary>
    public void Scale(double factor)
    {
        using var gradient = WritableGradient();
        gradient?.mul_(factor);
        Accumulated?.mul_(factor);
    }

    public override void Initialize(OptimizerOptions options) => Bag.Clear();

    bool IGradientTaker.TakeProduct(Tensor delta, Tensor input, bool isAll)
    {
        // What is looked at besides the projection has to be of the whole gradient: of all passes through the layer, and of all processes.
        var step = Context;
        var isTaken = ((isAll && !Optimizer.IsParallel) || Plan.Rule.NeedsOnlyProjection(Bag, step))
            && Plan.Rule.TryAccumulateProduct(delta, input, Bag, step);
        if (!isTaken)
            return false;
        Overlap.Change();
        Optimizer.Window.Follow();
        return true;
    }

    bool IGradientTaker.TakeComplete(Tensor? held) => Optimizer.TakeComplete(this, held);

    /// <summary>What is saved of it, for a weight of some shape.</summary>
    public ParameterManifest Manifest(long[] shape) => Bag.Manifest(Plan.Name, shape, SafeTensorsTypes.NameOf(Parameter.dtype), Plan.Rule.LayoutFor(shape));

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
}
