using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>Where the gradient of one weight goes as it arises in the backward pass, given by its factors.</summary>
internal sealed class GradientSink
{
    private Func<Tensor, Tensor, bool>? _take;

    /// <value>Whether an optimizer takes gradients.</value>
    public bool IsOpen => _take is not null;

    /// <summary>Sends gradients to an optimizer from now on.</summary>
    /// <param name="name">The weight.</param>
    /// <param name="take">Takes δ (N × m) and x (N × n), and tells whether it has; otherwise G = δᵀ x is formed and held.</param>
    /// <exception cref="InvalidOperationException">Another optimizer takes them.</exception>
    public void Open(string name, Func<Tensor, Tensor, bool> take)
    {
        if (IsOpen)
            throw new InvalidOperationException($"The gradients of '{name}' go to another optimizer of the same session already. "
                + "Dispose that one first, or attach the strategy once for each.");
        _take = take;
    }

    /// <summary>Lets gradients arise as everywhere.</summary>
    public void Close() => _take = null;

    /// <summary>Takes the gradient G = δᵀ x of a weight, in whatever form it is needed.</summary>
    public void Receive(Parameter weight, Tensor delta, Tensor input)
    {
        if (weight.requires_grad && _take?.Invoke(delta, input) != true)
            Hold(weight, delta, input);
    }

    /// <summary>∂W += δᵀ x, without a second matrix where there is one already.</summary>
    public static void Hold(Parameter weight, Tensor delta, Tensor input)
    {
        if (!weight.requires_grad)
            return;

        using var transposed = delta.t();
        using var sum = weight.grad;
        if (sum is not null)
        {
            sum.addmm_(transposed, input);
            return;
        }

        using var first = transposed.mm(input);
        weight.grad = first;
    }
}
