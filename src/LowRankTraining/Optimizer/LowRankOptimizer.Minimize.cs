namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
    /// <summary>One whole training step: clears the gradients, computes the loss, runs the backward pass, and updates the parameters.</summary>
    /// <remarks>
    /// <para>For a program whose step is no more than that:</para>
    /// <code>
    /// for (var step = 1; step &lt;= 300; step++)
    ///     Console.WriteLine(optimizer.minimize(() => mse_loss(model.call(input), target)));
    /// </code>
    /// <para>It equals <see cref="zero_grad"/>, <c>loss.backward()</c> and <see cref="step"/> in a dispose scope of their own, bit for bit: the tensors that
    /// <paramref name="loss"/> makes are freed at the end. To clip, to accumulate or to scale the loss, write these lines yourself.</para>
    /// <para>On a GPU the returned number waits for the device.</para>
    /// </remarks>
    /// <param name="loss">Runs the model and returns the loss, a tensor with one element.</param>
    /// <returns>The loss before the update.</returns>
    /// <exception cref="ArgumentException"><paramref name="loss"/> returned null, what was disposed, more than one number, or what does not depend on a
    /// parameter. Nothing was changed but the gradients, which are zero.</exception>
    /// <exception cref="InvalidOperationException">As in <see cref="step"/>.</exception>
    public double minimize(Func<Tensor> loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        using var scope = NewDisposeScope();
        zero_grad();
        using (enable_grad())
        {
            var value = loss();
            RequireLoss(value, nameof(loss));
            value.backward();
            step();
            return value.to(ScalarType.Float64).item<double>();
        }
    }

    private static void RequireLoss(Tensor? value, string name)
    {
        if (value is null)
            throw new ArgumentException("The function returned no loss. Return the tensor that the loss function gives.", name);
        if (value.IsInvalid)
            throw new ArgumentException("The function returned a loss that it has disposed: leave its 'using' out, the loss is freed after the step.", name);
        if (value.numel() != 1)
            throw new ArgumentException($"The loss must be one number and has the shape [{string.Join(", ", value.shape)}]. Return its mean or its sum.", name);
        if (!value.requires_grad)
            throw new ArgumentException("The loss does not depend on any parameter that is trained: compute it by the model, outside of no_grad and without "
                + "detach().", name);
    }
}
