using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>Stable-SPAM in TorchSharp's dialect: an optimizer to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class StableSpam
{
    /// <summary>AdamW with adaptive clipping, adaptive gradient norm and momentum reset.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>.</param>
    /// <param name="lr">Learning rate; default 1e-3.</param>
    /// <param name="gamma1">Decay of the norm's average. Default 0.7 (Stable-SPAM).</param>
    /// <param name="gamma2">Decay of the squared norm's average. Default 0.9 (Stable-SPAM).</param>
    /// <param name="gamma3">Decay of the largest entry's average. Default 0.999 (Stable-SPAM).</param>
    /// <param name="reset_interval">Steps between two resets of the moments. Default 1000 (Stable-SPAM).</param>
    /// <param name="total_steps">Steps over which momentum falls by half; null to keep it.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 1e-3, double gamma1 = 0.7, double gamma2 = 0.9, double gamma3 = 0.999, long reset_interval = 1000, long? total_steps = null,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
    {
        var options = new StableSpamOptions
        {
            NormDecay = gamma1,
            SquaredNormDecay = gamma2,
            ClipDecay = gamma3,
            ResetEvery = reset_interval,
            TotalSteps = total_steps,
            Beta1 = beta1,
            Beta2 = beta2,
            Epsilon = eps,
        };
        return new StableSpamStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>AdamW with adaptive clipping, adaptive gradient norm and momentum reset.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, double, double, double, long, long?, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3, double gamma1 = 0.7, double gamma2 = 0.9, double gamma3 = 0.999, long reset_interval = 1000, long? total_steps = null,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, gamma1, gamma2, gamma3, reset_interval, total_steps, beta1, beta2, eps, weight_decay);
}
