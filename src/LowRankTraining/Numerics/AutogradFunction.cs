using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch.autograd;

namespace LowRankTraining.Numerics;

/// <summary>A function with a backward pass of its own, whose tensors give their memory back as soon as the graph has what it needs.</summary>
/// <remarks>An exception in the backward pass gives no gradient to any parameter and NaN to what lies below, and is thrown by the next forward pass of such a
/// function or the next step, whichever comes first: see <see cref="BackwardFailure"/>.</remarks>
/// <typeparam name="T">The function itself.</typeparam>
internal abstract class AutogradFunction<T> : SingleTensorFunction<T> where T : AutogradFunction<T>, new()
{
    private const string Call = "call";

    /// <summary>Of the forward pass that has ended last.</summary>
    [ThreadStatic]
    private static (AutogradContext Context, Tensor Output) _last;

    /// <summary>Runs the forward pass, and joins its output to the graph.</summary>
    public static new Tensor apply(params object[] vars)
    {
        var joined = SingleTensorFunction<T>.apply(vars);
        OutputShapes.KeepNoMemory(_last.Context);
        _last.Output.Dispose();
        _last = default;
        return joined;
    }

    public sealed override string Name => typeof(T).Name;

    public sealed override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var failure = BackwardFailure.Current;
        failure.Rethrow();
        var asked = Array.ConvertAll(vars, argument => argument is Tensor { requires_grad: true });
        var origins = Array.ConvertAll(vars, Origin.Of);
        ctx.save_data(Call, new Arguments(asked, failure, origins, Array.FindAll(vars, owner => owner is Parameter or nn.Module)));
        _last = (ctx, Output(ctx, vars));
        return _last.Output;
    }

    public sealed override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var call = (Arguments)ctx.get_data(Call);
#pragma warning disable CA1031 // Whatever it is: it would end the process.
        try
        {
            // The engine runs a backward pass with gradients enabled only where it is asked for a graph of that pass.
            var isDifferentiated = is_grad_enabled();
            if (isDifferentiated && RefusalOfSecondDerivatives is { } refusal)
                throw new NotSupportedException(refusal);

            using var guard = isDifferentiated ? enable_grad() : no_grad();
            using var scope = NewDisposeScope();
            GraphGradients.ReleaseLast();
            var gradients = GraphGradients.HandOver(Gradients(ctx, grad_output));
            if (!isDifferentiated)
                grad_output.Dispose();
            return gradients;
        }
        catch (Exception failure)
        {
            call.Failure.Keep(failure, call.Owners);
            return Nothing(call);
        }
#pragma warning restore CA1031
    }

    /// <value>Why there is no derivative of the backward pass (<c>create_graph: true</c>), and what to do; null where <see cref="Gradients"/> is nothing but
    /// operations that have one.</value>
    protected virtual string? RefusalOfSecondDerivatives => null;

    /// <summary>Y.</summary>
    protected abstract Tensor Output(AutogradContext ctx, object[] vars);

    /// <summary>The gradient of each argument of the forward pass, null where there is none.</summary>
    protected abstract List<Tensor?> Gradients(AutogradContext ctx, Tensor output);

    /// <summary>What the forward pass has kept.</summary>
    /// <exception cref="InvalidOperationException">Something of it was changed in place.</exception>
    protected static List<Tensor> Saved(AutogradContext ctx)
    {
        try
        {
            return ctx.get_saved_variables();
        }
        catch (ExternalException changed) when (changed.Message.Contains("inplace operation", StringComparison.Ordinal))
        {
            throw new InvalidOperationException("A weight or an input of a layer was changed in place between the forward pass and this backward pass, "
                + "so that gradients can no more be taken. A step() does so, and under GradientFlow.Stepped the backward pass itself, of which there "
                + "is one a step: add losses up and call backward() once, or run the model again.", changed);
        }
    }

    /// <summary>Whether somebody wants the gradient of an argument.</summary>
    protected static bool IsAsked(AutogradContext ctx, int argument) => ((Arguments)ctx.get_data(Call)).Asked[argument];

    /// <summary>The gradients of all arguments, where a bias came behind the others or nothing did: its own is Σ ∂Y, over all but the channels.</summary>
    protected static List<Tensor?> WithBias(AutogradContext ctx, Tensor output, params Tensor?[] others)
    {
        var asked = ((Arguments)ctx.get_data(Call)).Asked;
        if (asked.Length == others.Length)
            return [.. others];
        return [.. others, !asked[^1] ? null : output.dim() == 2 ? output.sum(0L) : output.sum(0L, 2L, 3L)];
    }

    /// <summary>No gradient for any parameter; but NaN for all other tensors, since TorchSharp's part of a custom function below, and of
    /// <c>autograd.grad</c>, would end the process where there is no gradient at all.</summary>
    private static List<Tensor> Nothing(Arguments call) => GraphGradients.HandOver([.. call.Origins.Select(origin => origin?.NaN())]);

    /// <summary>What every backward pass has to know of its forward pass: of which arguments somebody wants the gradient, where to leave an exception, what the
    /// arguments were, and the parameters and layers that an exception is of.</summary>
    private sealed record Arguments(bool[] Asked, BackwardFailure Failure, Origin?[] Origins, object[] Owners);

    /// <summary>What is known of an argument that takes a gradient and is no parameter.</summary>
    private sealed record Origin(long[] Shape, ScalarType Dtype, Device Device)
    {
        public static Origin? Of(object argument) =>
            argument is Tensor { requires_grad: true } tensor and not Parameter ? new(tensor.shape, tensor.dtype, tensor.device) : null;

        /// <summary>It can be differentiated where a graph of the backward pass is asked for, so that what is computed from it goes on until the exception is
        /// thrown.</summary>
        public Tensor NaN() => full(Shape, double.NaN, Dtype, Device, requires_grad: is_grad_enabled());
    }
}

/// <summary>The first exception of the backward passes that belong to the forward passes of one flow of execution, until it can be thrown.</summary>
/// <remarks>One that left a custom backward pass would end the process, since the callers above it are native. On a GPU the backward pass runs on a thread of
/// its own; the exception waits for the one that ran the forward pass, or for a step of the parameters that it is of, wherever that is taken.</remarks>
internal sealed class BackwardFailure
{
    private static readonly AsyncLocal<BackwardFailure?> OfThisFlow = new();

    private static readonly ConcurrentDictionary<BackwardFailure, bool> Kept = new();

    private ExceptionDispatchInfo? _first;
    private WeakReference<Parameter>[] _parameters = [];

    /// <value>That of the thread, or of the asynchronous method, which may go on with another thread between two of its steps.</value>
    public static BackwardFailure Current => OfThisFlow.Value ??= new();

    /// <summary>Throws what was kept of this flow, or of some of the parameters that are to be stepped, whichever flow ran them.</summary>
    public static void Rethrow(Func<Parameter, bool> isStepped)
    {
        Current.Rethrow();
        if (!Kept.IsEmpty)
            foreach (var (other, _) in Kept.Where(kept => kept.Key.IsOf(isStepped)))
                other.Rethrow();
    }

    /// <param name="failure">What has gone wrong.</param>
    /// <param name="owners">Parameters and layers in the backward pass of which it has.</param>
    public void Keep(Exception failure, object[] owners)
    {
        if (Interlocked.CompareExchange(ref _first, ExceptionDispatchInfo.Capture(failure), null) is not null)
            return;

        _parameters = [.. owners.SelectMany(owner => owner is nn.Module layer ? layer.parameters() : [(Parameter)owner])
            .Select(parameter => new WeakReference<Parameter>(parameter))];
        Kept.TryAdd(this, true);
    }

    /// <summary>Throws what was kept, once, as it was.</summary>
    public void Rethrow()
    {
        if (Interlocked.Exchange(ref _first, null) is not { } first)
            return;

        Kept.TryRemove(this, out _);
        first.Throw();
    }

    private bool IsOf(Func<Parameter, bool> isStepped) =>
        Array.Exists(_parameters, kept => kept.TryGetTarget(out var parameter) && !parameter.IsInvalid && isStepped(parameter));
}

/// <summary>What custom functions return from their backward passes.</summary>
/// <remarks>The graph takes references of its own, but the managed objects would keep the memory until they are collected. They are freed by the next backward
/// pass on the same thread instead, when the graph has its own for sure.</remarks>
internal static class GraphGradients
{
    [ThreadStatic]
    private static List<Tensor?>? _last;

    /// <summary>Frees what the last backward on this thread gave to the graph.</summary>
    public static void ReleaseLast()
    {
        _last?.ForEach(tensor => tensor?.Dispose());
        _last = null;
    }

    /// <summary>Takes gradients out of every dispose scope and keeps them until the next backward.</summary>
    /// <returns>The list itself, as a custom function returns it: null where there is no gradient.</returns>
    public static List<Tensor> HandOver(List<Tensor?> gradients)
    {
        gradients.ForEach(tensor => tensor?.DetachFromDisposeScope());
        _last = gradients;
        return gradients!;
    }
}
