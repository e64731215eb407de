namespace LowRankTraining.Layers;

/// <summary>Trains the parts of a weight that the model itself knows nothing of, from the gradient of the whole weight or from its factors.</summary>
/// <remarks>Of the weight's gradient G nothing is used but that of the parts, which adds up over micro-batches: linear in G, and much smaller. It is
/// <c>accumulated</c> between two steps. Parts that are not there yet are drawn for the first gradient; if no step follows they are dropped again.</remarks>
internal abstract record PartsRule : UpdateRule
{
    private static readonly StateSlot Accumulated = new("accumulated"), Fresh = new("fresh");

    /// <summary>Whether the parts are trained in this step, and not the weight as it is.</summary>
    protected virtual bool TrainsParts(in StepContext step) => true;

    /// <summary>Where the parts are kept.</summary>
    protected abstract StateSlot Parts { get; }

    /// <summary>The parts that a weight begins with, or null where that depends on the weight and it is not known yet.</summary>
    protected abstract Tensor? Draw(long rows, long columns, Tensor like, in StepContext step);

    /// <summary>The gradient of the parts, from G, rows × columns.</summary>
    protected abstract Tensor PartsGradient(Tensor gradient, Tensor parts, StateBag state, in StepContext step);

    /// <summary>The gradient of the parts, from G = δᵀ x.</summary>
    protected abstract Tensor PartsGradient(Tensor delta, Tensor input, Tensor parts, StateBag state, in StepContext step);

    /// <summary>accumulator += the change of the weight that comes from a step of the parts, which are changed in place.</summary>
    protected abstract void Step(Tensor partsGradient, Tensor parts, Tensor accumulator, double scale, StateBag state, in StepContext step);

    /// <summary>weight += left right.</summary>
    protected static void AddProduct(Tensor weight, Tensor left, Tensor right)
    {
        if (weight.dim() == 2)
            weight.addmm_(left, right);
        else
            weight.add_(left.mm(right).reshape(weight.shape));
    }

    /// <summary>The weight's own step, while parts are not trained.</summary>
    protected virtual void AddFullRank(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step) =>
        throw new NotSupportedException();

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!TrainsParts(step))
        {
            AddFullRank(gradient, accumulator, scale, state, step);
            return;
        }

        using var scope = NewDisposeScope();
        var matrix = gradient.AsMatrix();
        var parts = Known(state) ?? Draw(matrix.size(0), matrix.size(1), matrix, step)!;
        var partsGradient = PartsGradient(matrix, parts, state, step);
        var accumulated = AccumulatedIn(state);
        if (accumulated is not null)
            partsGradient.add_(accumulated);
        if (accumulated is null ? step.Accepts(partsGradient, matrix) : (step with { Verdict = null }).Accepts(partsGradient))
            Take(partsGradient, parts, accumulator, scale, state, step);
    }

    public override void AddAccumulated(Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (AccumulatedIn(state) is not { } sum || Known(state) is not { } parts)
            return;

        using var scope = NewDisposeScope();
        if (step.Accepts(sum))
            Take(sum.clone(), parts, accumulator, scale, state, step);
    }

    public override bool NeedsOnlyProjection(StateBag state, in StepContext step) => TrainsParts(step);

    public override bool TryAccumulate(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var matrix = gradient.AsMatrix();
        if (!TrainsParts(step) || Begin(matrix.size(0), matrix.size(1), matrix, state, step) is not { } parts)
            return false;

        state.Add(Accumulated, PartsGradient(matrix, parts, state, step));
        return true;
    }

    public override bool TryAccumulateProduct(Tensor delta, Tensor input, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (!TrainsParts(step) || Begin(delta.size(1), input.size(1), delta.Widened(), state, step) is not { } parts)
            return false;

        state.Add(Accumulated, PartsGradient(delta.Widened(), input.Widened(), parts, state, step));
        return true;
    }

    public override Tensor? ProjectionOf(Tensor gradient, StateBag state, in StepContext step)
    {
        if (!TrainsParts(step))
            return null;

        using var scope = NewDisposeScope();
        var matrix = gradient.AsMatrix();
        return (Known(state) ?? Draw(matrix.size(0), matrix.size(1), matrix, step)) is { } parts
            ? PartsGradient(matrix, parts, state, step).MoveToOuterDisposeScope()
            : null;
    }

    public override Tensor? AccumulatedIn(StateBag state) => state.TryGet(Accumulated, out var sum) ? sum : null;

    public override string? ObstacleToProjection => null;

    public override void DropAccumulated(StateBag state)
    {
        state.Remove(Accumulated);
        if (state.Counter(Fresh) == 0)
            return;

        state.Remove(Parts);
        state.SetCounter(Fresh, 0);
    }

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => [Accumulated, Fresh];

    private Tensor? Known(StateBag state) => state.TryGet(Parts, out var parts) ? parts : null;

    /// <summary>The parts, which are kept from now on if a step follows.</summary>
    private Tensor? Begin(long rows, long columns, Tensor like, StateBag state, in StepContext step)
    {
        if (Known(state) is { } known)
            return known;
        if (Draw(rows, columns, like, step) is not { } drawn)
            return null;

        state.Set(Parts, drawn);
        state.SetCounter(Fresh, 1);
        return Known(state);
    }

    private void Take(Tensor partsGradient, Tensor parts, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (Known(state) is null)
            state.Set(Parts, parts);
        else if (state.Counter(Fresh) != 0)
            state.SetCounter(Fresh, 0);
        Step(partsGradient, Known(state)!, accumulator, scale, state, step);
    }
}
