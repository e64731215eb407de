namespace LowRankTraining;

/// <summary>Multiplies the loss, so that small gradients do not vanish in float16, and divides the gradients again before they are used.</summary>
/// <remarks>
/// <code>
/// optimizer.zero_grad();
/// scaler.scale(Loss(model, batch)).backward();
/// scaler.unscale_(optimizer);         // only where gradients are looked at or clipped before the step
/// optimizer.clip_grad_norm_(1.0);
/// scaler.step(optimizer);
/// </code>
/// <para>A step of which any gradient is not finite is left out: neither weights nor moments change, and the scale is multiplied by the back-off. After so many
/// steps in a row without that it is multiplied by the growth. The numbers are those of PyTorch's <c>GradScaler</c>.</para>
/// <para>Gradients in float16 are divided in float32, where none of them vanishes.</para>
/// <para>Source: Micikevicius et al., Mixed Precision Training, arXiv 1710.03740, section 3.2.</para>
/// </remarks>
public sealed class LossScaler
{
    private readonly double _growth;
    private readonly double _backoff;
    private readonly long _interval;

    /// <summary>Makes a scaler.</summary>
    /// <param name="init_scale">The first scale, above 0. Default 65536 (PyTorch).</param>
    /// <param name="growth_factor">What the scale is multiplied by after <paramref name="growth_interval"/> good steps, above 1. Default 2 (PyTorch).</param>
    /// <param name="backoff_factor">What it is multiplied by after a step that was left out, in (0, 1). Default 0.5 (PyTorch).</param>
    /// <param name="growth_interval">Good steps in a row, at least 1. Default 2000 (PyTorch).</param>
    /// <exception cref="ArgumentOutOfRangeException">A number out of its range.</exception>
    public LossScaler(double init_scale = 65536, double growth_factor = 2, double backoff_factor = 0.5, long growth_interval = 2000)
    {
        Require(double.IsFinite(init_scale) && init_scale > 0, init_scale, nameof(init_scale), "above 0");
        Require(double.IsFinite(growth_factor) && growth_factor > 1, growth_factor, nameof(growth_factor), "above 1");
        Require(backoff_factor is > 0 and < 1, backoff_factor, nameof(backoff_factor), "above 0 and below 1");
        Require(growth_interval >= 1, growth_interval, nameof(growth_interval), "at least 1");
        (CurrentScale, _growth, _backoff, _interval) = (init_scale, growth_factor, backoff_factor, growth_interval);
    }

    /// <value>What the loss is multiplied by.</value>
    public double CurrentScale { get; private set; }

    /// <value>Steps since the scale changed.</value>
    public long GoodSteps { get; private set; }

    /// <summary>Goes on where another run was.</summary>
    /// <param name="scale">Its <see cref="CurrentScale"/>, above 0.</param>
    /// <param name="goodSteps">Its <see cref="GoodSteps"/>, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number out of its range. Nothing was changed.</exception>
    public void ResumeAt(double scale, long goodSteps)
    {
        Require(double.IsFinite(scale) && scale > 0, scale, nameof(scale), "above 0");
        Require(goodSteps >= 0, goodSteps, nameof(goodSteps), "at least 0");
        (CurrentScale, GoodSteps) = (scale, goodSteps);
    }

    /// <summary>The loss times <see cref="CurrentScale"/>; for every micro-batch of a window.</summary>
    public Tensor scale(Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        return loss.mul(CurrentScale);
    }

    /// <summary>Divides all gradients that wait for the step, held or projected, by <see cref="CurrentScale"/>, so that they can be clipped.</summary>
    /// <exception cref="InvalidOperationException">They have been divided already since the last step.</exception>
    /// <exception cref="NotSupportedException">Weights are updated in the backward pass, before their gradients could be divided.</exception>
    public void unscale_(LowRankOptimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        optimizer.DivideGradients(CurrentScale);
    }

    /// <summary>Takes the step, or leaves it out where a gradient is not finite, and adapts the scale.</summary>
    /// <returns>Whether the step was taken.</returns>
    /// <exception cref="NotSupportedException">Weights are updated in the backward pass, before their gradients could be divided.</exception>
    public bool step(LowRankOptimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (!optimizer.Window.IsDivided)
            optimizer.DivideGradients(CurrentScale);

        if (!optimizer.HasFiniteGradients())
        {
            optimizer.LeaveOut();
            (CurrentScale, GoodSteps) = (CurrentScale * _backoff, 0);
            return false;
        }

        optimizer.step();
        if (++GoodSteps == _interval)
            (CurrentScale, GoodSteps) = (CurrentScale * _growth, 0);
        return true;
    }

    private static void Require(bool holds, double value, string name, string range)
    {
        if (!holds)
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be a number {range}.");
    }
}
