namespace LowRankTraining;

/// <summary>How much memory a method will need for weights, gradients and optimizer state, known before training starts.</summary>
/// <remarks>
/// <para>State is that between steps; it equals <see cref="LowRankOptimizer.StateBytes"/> once every part of a rule
/// has been used, and is an upper bound where ranks fall or parameters take turns. Weights that a weight-space method has frozen are in
/// <see cref="FrozenBytes"/>; other weights that are not trained are not counted. <see cref="PeakBytes"/> adds gradients, the copies that updates need, and the
/// activations, which only the model knows.</para>
/// <para>Print it: <c>Console.WriteLine(MemoryPlan.For(session))</c>.</para>
/// </remarks>
public sealed class MemoryPlan
{
    private readonly IReadOnlyList<KeptRows> _kept;

    private MemoryPlan(IReadOnlyList<ParameterMemory> parameters, long frozenBytes, IReadOnlyList<KeptRows> kept) =>
        (Parameters, FrozenBytes, _kept) = (parameters, frozenBytes, kept);

    /// <value>Every parameter that is optimized, in the session's order.</value>
    public IReadOnlyList<ParameterMemory> Parameters { get; }

    /// <value>Bytes of all weights that are trained.</value>
    public long WeightBytes => Parameters.Sum(parameter => parameter.WeightBytes);

    /// <value>Bytes of the weights that a weight-space method has frozen, as they are kept: in their dtype, or quantized.</value>
    public long FrozenBytes { get; }

    /// <value>Bytes of all their gradients, as they are held after a backward pass.</value>
    public long GradientBytes => Parameters.Sum(parameter => parameter.GradientBytes);

    /// <value>Bytes of all optimizer state.</value>
    public long StateBytes => Parameters.Sum(parameter => parameter.StateBytes);

    /// <value>Bytes of state that AdamW would need for the same parameters.</value>
    public long AdamWBytes => Parameters.Sum(parameter => parameter.AdamWBytes);

    /// <value><see cref="StateBytes"/> as a share of <see cref="AdamWBytes"/>.</value>
    public double ShareOfAdamW => AdamWBytes == 0 ? 0 : (double)StateBytes / AdamWBytes;

    /// <summary>Bytes that the layers of a weight-space method keep for the backward pass beyond their inputs, which plain layers keep too. 0 in gradient
    /// space.</summary>
    /// <param name="rows">Rows of the layers' inputs: sequences of a batch times tokens of a sequence.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative number.</exception>
    public long ActivationBytes(long rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        return _kept.Sum(layer => layer.BytesFor(rows));
    }

    /// <summary>The most bytes of tensors that a training step has at once, on the CPU.</summary>
    /// <remarks>The largest of what there is when the loss is computed, when the first gradient arises, at the end of the backward pass, and while parameters
    /// are updated. Gradients are those of the plan's flow, and those of the step before are freed before the forward pass
    /// (<c>model.zero_grad()</c>).</remarks>
    /// <param name="activationBytes">What layers keep for the backward pass, for the batch and the sequence that are trained on: what those of the plain model
    /// do, and <see cref="ActivationBytes"/>. Default 0.</param>
    /// <param name="passingBytes">What is there in passing beside that, of the loss, while its gradient is computed. Default 0.</param>
    /// <param name="accumulates">Whether a step has several backward passes, so that from the second one on gradients are there beside the activations. Default
    /// false.</param>
    /// <param name="rerunBytes">What a layer keeps that activation checkpointing runs again in the backward pass. Default 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative number.</exception>
    public long PeakBytes(long activationBytes = 0, long passingBytes = 0, bool accumulates = false, long rerunBytes = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(activationBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(passingBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(rerunBytes);
        var held = WeightBytes + FrozenBytes + StateBytes;
        var before = accumulates ? GradientBytes : 0;
        var unsummed = Parameters.Where(parameter => !parameter.IsSummed).ToArray();
        long[] moments =
        [
            before + activationBytes + Math.Max(passingBytes, rerunBytes),
            before + activationBytes + Most(Parameters, parameter => parameter.BackwardBytes),
            GradientBytes + Math.Max(rerunBytes, Most(Parameters, parameter => parameter.BackwardBytes)),
            GradientBytes + Most(Parameters.Where(parameter => parameter.IsSummed), parameter => parameter.UpdateBytes),
            unsummed.Sum(parameter => parameter.GradientBytes) + Most(unsummed, parameter => parameter.UpdateBytes),
        ];
        return held + moments.Max();

        static long Most(IEnumerable<ParameterMemory> parameters, Func<ParameterMemory, long> bytes) => parameters.Select(bytes).DefaultIfEmpty().Max();
    }

    /// <summary>The plan of one of several processes that train together (<see cref="LowRankOptimizer.World"/>), of that which has the most state. Where rules
    /// need the whole gradient, each process has the state of some parameters and takes their steps for all; everything else is the same on each.</summary>
    /// <param name="processes">How many there are, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    public MemoryPlan PerProcess(int processes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(processes, 1);
        var divided = Parameters.Where(parameter => parameter.IsDivided).ToArray();
        if (divided.Length == 0 || WorkDivision.Of(processes, [.. divided.Select(parameter => parameter.Shape.Elements())]) is not { } owners)
            return this;

        var owned = divided.Zip(owners).ToLookup(pair => pair.Second, pair => pair.First);
        var most = owned.MaxBy(parameters => parameters.Sum(parameter => parameter.StateBytes))!.ToHashSet();
        var here = Parameters.Select(parameter => !parameter.IsDivided || most.Contains(parameter) ? parameter : parameter.Elsewhere());
        return new([.. here], FrozenBytes, _kept);
    }

    /// <summary>The plan of a session.</summary>
    /// <param name="session">A strategy at work on a model, before or while it is trained.</param>
    public static MemoryPlan For(ILowRankSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        if (session.Parameters.FirstOrDefault(plan => plan.Parameter.IsInvalid) is { } gone)
            throw new InvalidOperationException($"Parameter '{gone.Name}' is gone: the model was moved or disposed. Plan what is there.");
        var parameters = session.Parameters.Where(plan => !plan.IsFrozen).Select(plan => Of(plan) with { IsDivided = session.CanDivide(plan) });
        return new([.. parameters], session.FrozenBytes, [.. session.Kept]);
    }

    /// <summary>The plan of a method for a model, which stays as it is.</summary>
    /// <param name="model">The model. It is copied, weights included, and the copy disposed: some methods go by them.</param>
    /// <param name="strategy">The method, of gradient or weight space.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    /// <param name="gradients">What becomes of gradients in the backward pass. Default: they are held whole.</param>
    /// <remarks>As if every linear layer could be replaced; layers that have to be shadowed keep their factors in the optimizer's state instead.</remarks>
    /// <exception cref="ArgumentException">What attaching the method to such a model would be refused for.</exception>
    public static MemoryPlan For(nn.Module model, ILowRankStrategy strategy, Targets? targets = null, GradientFlow gradients = GradientFlow.Whole)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(strategy);
        return OfSketch(ModelSketch.Of(model), strategy, targets, gradients);
    }

    /// <summary>The plan for a model that need not exist.</summary>
    /// <param name="parameters">Names and shapes, as <c>named_parameters()</c> would give them. Embeddings and heads are known by name.</param>
    /// <param name="strategy">The method. One of gradient space allocates nothing; one of weight space makes the model and disposes it.</param>
    /// <param name="dtype">The weights' dtype. Default: float32.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    /// <param name="gradients">What becomes of gradients in the backward pass. Default: they are held whole.</param>
    /// <exception cref="ArgumentException">What attaching the method to such a model would be refused for.</exception>
    public static MemoryPlan For(
        IEnumerable<(string name, long[] shape)> parameters, ILowRankStrategy strategy, ScalarType dtype = ScalarType.Float32, Targets? targets = null,
        GradientFlow gradients = GradientFlow.Whole)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(strategy);
        return OfSketch(ModelSketch.Of(Sound([.. parameters], dtype), dtype, strategy.ReadsWeights ? CPU : META), strategy, targets, gradients);
    }

    /// <exception cref="ArgumentException">No model has such parameters.</exception>
    private static (string name, long[] shape)[] Sound((string name, long[] shape)[] parameters, ScalarType dtype)
    {
        if (!dtype.IsTrainable())
            throw new ArgumentException($"Weights of {dtype} cannot be trained: plan float64, float32, bfloat16 or float16.", nameof(dtype));
        foreach (var (name, shape) in parameters)
            if (name is null || shape?.All(size => size >= 0) != true || shape.Aggregate(8.0, (bytes, size) => bytes * size) > long.MaxValue)
                throw new ArgumentException($"'{name}' of shape [{string.Join(", ", shape ?? [])}] is no parameter: it needs a name and sizes from 0 on, and "
                    + "has at the most as many bytes as can be counted.", nameof(parameters));
        return parameters.GroupBy(parameter => parameter.name).FirstOrDefault(same => same.Count() > 1) is not { } twice ? parameters
            : throw new ArgumentException($"Two parameters are called '{twice.Key}'. Give each a name of its own.", nameof(parameters));
    }

    private static MemoryPlan OfSketch(nn.Module sketch, ILowRankStrategy strategy, Targets? targets, GradientFlow gradients)
    {
        using var scope = NewDisposeScope();
        using (sketch)
        using (var session = strategy.Attach(sketch, targets, gradients))
            return For(session);
    }

    /// <summary>A table with one line for all parameters of the same shape and rule.</summary>
    public override string ToString() => MemoryTable.Of(this);

    private static ParameterMemory Of(ParameterPlan plan)
    {
        var shape = plan.Shape;
        var elements = shape.Elements();
        var gradient = elements * plan.Parameter.ElementSize;
        var width = plan.Parameter.dtype == ScalarType.Float64 ? sizeof(double) : sizeof(float);
        var summed = plan.Sink is not null && plan.Rule.ObstacleToProjection is null
            ? plan.Rule.NumbersAccumulated(shape) * width : (long?)null;
        var copies = CopiesOf(plan, elements, isSummed: summed is not null);
        return new(
            plan.Name, shape, (plan.Store?.WeightBytes ?? gradient) + plan.AttachedBytes, plan.StepsInBackward ? 0 : summed ?? gradient,
            plan.Rule.BytesFor(shape, plan.Parameter.dtype) + (plan.HasRemainder ? elements : 0), 2 * width * elements, plan.Rule.LayoutFor(shape))
        {
            BackwardBytes = (summed ?? gradient) + (plan.StepsInBackward ? copies : 0),
            UpdateBytes = plan.StepsInBackward ? 0 : copies,
            IsSummed = summed is not null,
        };
    }

    /// <summary>What an update copies: a weight that is not kept in computing precision, a gradient that is not, and numbers for rounding, a chunk at a
    /// time.</summary>
    private static long CopiesOf(ParameterPlan plan, long elements, bool isSummed)
    {
        if (plan.Store is null && plan.Parameter.dtype == plan.Parameter.dtype.Computing())
            return 0;

        var gradient = isSummed || plan.Rule.WidensGradients ? 0 : elements * sizeof(float);
        return elements * sizeof(float) + gradient + (plan.HasRemainder ? 0 : StochasticRounding.BytesFor(elements, plan.Parameter.device_type));
    }
}
