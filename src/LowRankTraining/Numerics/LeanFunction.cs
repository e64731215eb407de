using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LowRankTraining.Numerics;

/// <summary>A function with a backward pass of its own, whose tensors give their memory back as soon as the graph has what it needs.</summary>
/// <remarks>An exception in the backward pass gives no gradient to any argument, and is thrown by the next forward pass of such a function or the next step, whichever comes first: see <see cref="BackwardFailure"/>.</remarks>
/// <typeparam name="T">The function itself.</typeparam>
internal abstract class LeanFunction<T> : SingleTensorFunction<T> where T : LeanFunction<T>, new()
{
    private const string Call = "call";

    public sealed override string Name => typeof(T).Name;

    public sealed override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var failure = BackwardFailure.OfThisThread;
        failure.Rethrow();
        ctx.save_data(Call, new Arguments(vars.Length, failure));
        return Output(ctx, vars);
    }

    public sealed override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var call = (Arguments)ctx.get_data(Call);
#pragma warning disable CA1031 // Whatever it is: it would end the process.
        try
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            GraphGradients.ReleaseLast();
            var gradients = GraphGradients.HandOver(Gradients(ctx, grad_output));
            grad_output.Dispose();
            return gradients;
        }
        catch (Exception failure)
        {
            call.Failure.Keep(failure);
            return [.. new Tensor[call.Count]];
        }
#pragma warning restore CA1031
    }

    /// <summary>Y.</summary>
    /// <param name="ctx">Keeps what the backward pass needs.</param>
    /// <param name="vars">The arguments.</param>
    protected abstract Tensor Output(AutogradContext ctx, object[] vars);

    /// <summary>The gradient of each argument of the forward pass, null where there is none.</summary>
    /// <param name="ctx">What the forward pass has kept.</param>
    /// <param name="output">∂Y.</param>
    protected abstract List<Tensor?> Gradients(AutogradContext ctx, Tensor output);

    /// <summary>What every backward pass has to know of its forward pass: how many gradients to return, and where to leave an exception.</summary>
    private sealed record Arguments(int Count, BackwardFailure Failure);
}

/// <summary>The first exception of the backward passes that belong to one thread's forward passes, until it can be thrown.</summary>
/// <remarks>One that left a custom backward pass would end the process, since the callers above it are native. On a GPU the backward pass runs on a thread of its own; the exception waits for the one that ran the forward pass.</remarks>
internal sealed class BackwardFailure
{
    [ThreadStatic]
    private static BackwardFailure? _ofThisThread;

    private ExceptionDispatchInfo? _first;

    public static BackwardFailure OfThisThread => _ofThisThread ??= new();

    public void Keep(Exception failure) => Interlocked.CompareExchange(ref _first, ExceptionDispatchInfo.Capture(failure), null);

    /// <summary>Throws what was kept, once, as it was.</summary>
    public void Rethrow() => Interlocked.Exchange(ref _first, null)?.Throw();
}
