using LowRankTraining.Layers;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>How much memory a method will need for weights, gradients and optimizer state, known before training starts.</summary>
/// <remarks>
/// <para>State is that between steps, of float32 and half-precision parameters; it equals <see cref="LowRankOptimizer.StateBytes"/> once every part of a rule
/// has been used, and is an upper bound where ranks fall or parameters take turns. Weights that a weight-space method has frozen are in
/// <see cref="FrozenBytes"/>; other weights that are not trained, activations, and a step's scratch are not counted.</para>
/// <para>Print it: <c>Console.WriteLine(MemoryPlan.For(session))</c>.</para>
/// </remarks>
public sealed class MemoryPlan
{
    private MemoryPlan(IReadOnlyList<ParameterMemory> parameters, long frozenBytes) => (Parameters, FrozenBytes) = (parameters, frozenBytes);

    /// <value>Every parameter that is optimized, in the session's order.</value>
    public IReadOnlyList<ParameterMemory> Parameters { get; }

    /// <value>Bytes of all weights that are trained.</value>
    public long WeightBytes => Parameters.Sum(parameter => parameter.WeightBytes);

    /// <value>Bytes of the weights that a weight-space method has frozen, as they are kept: in their dtype, or quantized.</value>
    public long FrozenBytes { get; }

    /// <value>Bytes of all their gradients, as they are after a backward pass.</value>
    public long GradientBytes => Parameters.Sum(parameter => parameter.GradientBytes);

    /// <value>Bytes of all optimizer state that is known.</value>
    public long StateBytes => Parameters.Sum(parameter => parameter.StateBytes ?? 0);

    /// <value>Bytes of state that AdamW would need for the same parameters.</value>
    public long AdamWBytes => Parameters.Sum(parameter => parameter.AdamWBytes);

    /// <value><see cref="StateBytes"/> as a share of <see cref="AdamWBytes"/>.</value>
    public double ShareOfAdamW => AdamWBytes == 0 ? 0 : (double)StateBytes / AdamWBytes;

    /// <summary>The plan of a session.</summary>
    /// <param name="session">A strategy at work on a model, before or while it is trained.</param>
    public static MemoryPlan For(ILowRankSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        return new([.. session.Parameters.Where(plan => !plan.IsFrozen).Select(Of)], (session as AdapterSession)?.FrozenBytes ?? 0);
    }

    /// <summary>The plan of a method for a model, which stays as it is.</summary>
    /// <param name="model">The model. It is copied, weights included, and the copy disposed: some methods go by them.</param>
    /// <param name="strategy">The method, of gradient or weight space.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    /// <remarks>As if every linear layer could be replaced; layers that have to be shadowed keep their factors in the optimizer's state instead.</remarks>
    /// <exception cref="ArgumentException">What attaching the method to such a model would be refused for.</exception>
    public static MemoryPlan For(nn.Module model, ILowRankStrategy strategy, Targets? targets = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(strategy);
        return OfSketch(ModelSketch.Of(model), strategy, targets);
    }

    /// <summary>The plan for a model that need not exist.</summary>
    /// <param name="parameters">Names and shapes, as <c>named_parameters()</c> would give them. Embeddings and heads are known by name.</param>
    /// <param name="strategy">The method. One of gradient space allocates nothing; one of weight space makes the model and disposes it.</param>
    /// <param name="dtype">The weights' dtype. Default: float32.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    /// <exception cref="ArgumentException">What attaching the method to such a model would be refused for.</exception>
    public static MemoryPlan For(
        IEnumerable<(string name, long[] shape)> parameters, ILowRankStrategy strategy, ScalarType dtype = ScalarType.Float32, Targets? targets = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(strategy);
        if (strategy is not UpdateMethod { ChangesModel: false } update)
            return OfSketch(ModelSketch.Of([.. parameters], dtype), strategy, targets);

        using var scope = NewDisposeScope();
        using var session = update.Attach(parameters.Select(pair => (pair.name, new Parameter(empty(pair.shape, dtype, META)))), targets);
        return For(session);
    }

    private static MemoryPlan OfSketch(nn.Module sketch, ILowRankStrategy strategy, Targets? targets)
    {
        using var scope = NewDisposeScope();
        using (sketch)
        using (var session = strategy.Attach(sketch, targets))
            return For(session);
    }

    /// <summary>A table with one line for all parameters of the same shape and rule.</summary>
    public override string ToString() => MemoryTable.Of(this);

    private static ParameterMemory Of(ParameterPlan plan)
    {
        var shape = plan.Shape;
        var elements = shape.Elements();
        var gradient = elements * plan.Parameter.ElementSize;
        var moment = elements * (plan.Parameter.dtype == ScalarType.Float64 ? sizeof(double) : sizeof(float));
        return new(
            plan.Name, shape, (plan.Store?.WeightBytes ?? gradient) + plan.AttachedBytes, gradient,
            plan.Rule.BytesFor(shape) + (plan.HasRemainder ? elements : 0), 2 * moment, plan.Rule.LayoutFor(shape));
    }
}
