namespace LowRankTraining;

/// <summary>Where the gradient of one weight goes as it arises in the backward pass, given by its factors.</summary>
internal sealed class GradientSink
{
    private IGradientTaker? _taker;
    private int _expected;

    /// <value>Whether an optimizer takes gradients.</value>
    public bool IsOpen => _taker is not null;

    /// <value>Whether a gradient has come since the last step.</value>
    public bool HasReceived { get; private set; }

    /// <summary>Sends gradients to an optimizer from now on.</summary>
    /// <exception cref="InvalidOperationException">Another optimizer takes them.</exception>
    public void Open(string name, IGradientTaker taker)
    {
        if (IsOpen)
            throw new InvalidOperationException($"The gradients of '{name}' go to another optimizer of the same session already. "
                + "Dispose that one first, or attach the strategy once for each.");
        _taker = taker;
    }

    /// <summary>Lets gradients arise as everywhere.</summary>
    public void Close() => _taker = null;

    /// <summary>Tells that a pass through the layer will have a gradient.</summary>
    public void Expect() => _expected++;

    /// <summary>Drops passes whose gradients never came: another step begins.</summary>
    public void ExpectNothing() => (_expected, HasReceived) = (0, false);

    /// <summary>Takes the gradient G = δᵀ x of a pass through the layer, in whatever form it is needed.</summary>
    public void Receive(Parameter weight, Tensor delta, Tensor input)
    {
        _expected = Math.Max(0, _expected - 1);
        if (!weight.requires_grad)
            return;

        HasReceived = true;
        if (_taker?.TakeProduct(delta, input, isAll: _expected == 0 && !weight.HasGradient()) != true)
            Hold(weight, delta, input);
        if (_expected > 0 || _taker is null)
            return;

        using var held = weight.grad;
        if (_taker.TakeComplete(held))
            weight.grad = null;
    }

    /// <summary>∂W += δᵀ x, in the weight's shape, without a second matrix where there is one already.</summary>
    private static void Hold(Parameter weight, Tensor delta, Tensor input)
    {
        using var scope = NewDisposeScope();
        var transposed = delta.t();
        switch (weight.grad)
        {
            case null:
                weight.grad = weight.dim() > 2 ? transposed.mm(input).reshape(weight.shape) : transposed.mm(input);
                break;
            case { } sum when sum.dim() == 2:
                sum.addmm_(transposed, input);
                break;
            case { } sum:
                sum.add_(transposed.mm(input).reshape(sum.shape));
                break;
        }
    }
}

/// <summary>Takes gradients in the backward pass.</summary>
internal interface IGradientTaker
{
    /// <summary>Takes G = δᵀ x, which is not formed.</summary>
    /// <param name="delta">δ, N × m.</param>
    /// <param name="input">x, N × n.</param>
    /// <param name="isAll">Whether that is all of the gradient in this backward pass: the layer has been run once.</param>
    /// <returns>Whether it has; otherwise G is formed and added to the gradient that is held.</returns>
    bool TakeProduct(Tensor delta, Tensor input, bool isAll);

    /// <summary>Takes the gradient that is held, once all passes through the layer have added to it.</summary>
    /// <param name="held">The gradient; null where all of it has been taken by its factors.</param>
    /// <returns>Whether it has; then it is freed.</returns>
    bool TakeComplete(Tensor? held);
}
