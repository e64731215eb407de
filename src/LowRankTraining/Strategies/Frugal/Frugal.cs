using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>FRUGAL in TorchSharp's dialect: optimizers to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class Frugal
{
    /// <summary>AdamW in a part of the coordinates that changes, signSGD in the rest.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 1e-3 (FRUGAL).</param>
    /// <param name="update_gap">Steps between two refreshes of the subspace. Default 200.</param>
    /// <param name="density">Share of the short side that has Adam's state. Default 0.25 (FRUGAL).</param>
    /// <param name="inactive_lr_scale">Factor on the learning rate of the rest. Default 1 (FRUGAL).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 1e-3, long update_gap = 200, double density = 0.25, double inactive_lr_scale = 1,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
    {
        var options = new FrugalOptions { RefreshEvery = update_gap, Density = density, ResidualScale = inactive_lr_scale, Beta1 = beta1, Beta2 = beta2, Epsilon = eps };
        return new FrugalStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>The same without names: every parameter of two or more dimensions is projected, embeddings too. Prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, long, double, double, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3, long update_gap = 200, double density = 0.25, double inactive_lr_scale = 1,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, update_gap, density, inactive_lr_scale, beta1, beta2, eps, weight_decay);
}
