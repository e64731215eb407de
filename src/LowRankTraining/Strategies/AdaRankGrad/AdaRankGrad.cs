using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>AdaRankGrad in TorchSharp's dialect: optimizers to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class AdaRankGrad
{
    /// <summary>AdamW in a subspace whose rank falls as the gradient's does.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 0.01.</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="outside">Largest share of the gradient's energy that may stay outside. Default 0.3.</param>
    /// <param name="scale">Factor on the projected update. Default 0.25.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 128, double outside = 0.3, double scale = 0.25,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
    {
        var options = new AdaRankGradOptions { Rank = rank, Outside = outside, Scale = scale, Beta1 = beta1, Beta2 = beta2, Epsilon = eps };
        return new AdaRankGradStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>The same without names: every parameter of two or more dimensions is projected, embeddings too. Prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, double, double, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 0.01, int rank = 128, double outside = 0.3, double scale = 0.25,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, rank, outside, scale, beta1, beta2, eps, weight_decay);
}
