using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>A layer that keeps its input alone for the backward pass, in which it is run once more.</summary>
/// <remarks>
/// <para>What a layer computes on its way is there for one layer at a time, for the time of one forward pass more. Losses and gradients are the same to the
/// bit, as long as a layer computes the same from the same input and the same random numbers: the CPU's global generator is put back to where it was. On a GPU,
/// whose generator TorchSharp does not give, a layer must not draw from it; the dropout of the library's factors does not.</para>
/// <para>An exception in the backward pass would end the process: it is kept, the layers below take NaN, and the next forward pass throws it.</para>
/// <para>Source: Chen et al., Training deep nets with sublinear memory cost, arXiv 1604.06174.</para>
/// </remarks>
internal sealed class CheckpointedLayer : SingleTensorFunction<CheckpointedLayer>
{
    private const string Layer = "layer", Random = "random numbers";

    private static ExceptionDispatchInfo? failure;

    /// <summary>What the last backward pass has given to the graph, which has references of its own when the next one begins.</summary>
    [ThreadStatic]
    private static Tensor? last;

    /// <inheritdoc/>
    public override string Name => nameof(CheckpointedLayer);

    /// <summary>Runs layers one after the other.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="stream">What goes into the first one.</param>
    /// <param name="keepsInputs">Whether nothing but the layers' inputs is kept for the backward pass.</param>
    public static Tensor Run(IEnumerable<Module<Tensor, Tensor>> layers, Tensor stream, bool keepsInputs)
    {
        if (!keepsInputs || !is_grad_enabled())
            return layers.Aggregate(stream, (input, layer) => layer.call(input));

        // Where all below is frozen, this leads the backward pass to the layers all the same.
        using var anchor = zeros(0, requires_grad: true);
        return layers.Aggregate(stream, Kept);

        // TorchSharp leaves two tensors of the output's size in the dispose scope.
        Tensor Kept(Tensor input, Module<Tensor, Tensor> layer)
        {
            using var scope = NewDisposeScope();
            return apply(input, anchor, layer).MoveToOuterDisposeScope();
        }
    }

    /// <inheritdoc/>
    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        Interlocked.Exchange(ref failure, null)?.Throw();
        var input = (Tensor)vars[0];
        ctx.save_for_backward([input]);
        ctx.save_data(Layer, vars[2]);
        using var state = get_rng_state();
        ctx.save_data(Random, state.bytes.ToArray());
        using var guard = no_grad();
        return ((Module<Tensor, Tensor>)vars[2]).call(input);
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        last?.Dispose();
        using var scope = NewDisposeScope();
        var (saved, now) = (ctx.get_saved_variables()[0], get_rng_state());
#pragma warning disable CA1031 // Whatever it is: it would end the process.
        try
        {
            using var guard = enable_grad();
            set_rng_state(tensor((byte[])ctx.get_data(Random)));
            var input = saved.detach().requires_grad_();
            ((Module<Tensor, Tensor>)ctx.get_data(Layer)).call(input).backward([grad_output]);
            last = input.grad!.DetachFromDisposeScope();
        }
        catch (Exception thrown)
        {
            Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(thrown), null);
            using var guard = no_grad();
            last = full_like(saved, double.NaN).DetachFromDisposeScope();
        }
        finally
        {
            set_rng_state(now);
        }
#pragma warning restore CA1031

        grad_output.Dispose();
        return [last, null!, null!];
    }
}
