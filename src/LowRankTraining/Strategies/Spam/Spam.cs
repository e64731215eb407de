using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>SPAM in TorchSharp's dialect: an optimizer to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class Spam
{
    /// <summary>AdamW that cuts gradient spikes and resets its momentum.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>.</param>
    /// <param name="lr">Learning rate. Default 1e-3; SPAM's own runs take 4e-4 to 2e-3.</param>
    /// <param name="threshold">How often its own mean square an entry's square may be. Default 5000 (SPAM).</param>
    /// <param name="reset_interval">Steps between two resets of the moments. Default 500 (SPAM).</param>
    /// <param name="warmup_steps">Steps over which the learning rate grows back after a reset. Default 150 (SPAM).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 1e-3, double threshold = 5000, long reset_interval = 500, long warmup_steps = 150,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
    {
        var options = new SpamOptions { Threshold = threshold, ResetEvery = reset_interval, WarmupAfterReset = warmup_steps, Beta1 = beta1, Beta2 = beta2, Epsilon = eps };
        return new SpamStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>AdamW that cuts gradient spikes and resets its momentum.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, double, long, long, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3, double threshold = 5000, long reset_interval = 500, long warmup_steps = 150,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, threshold, reset_interval, warmup_steps, beta1, beta2, eps, weight_decay);
}
