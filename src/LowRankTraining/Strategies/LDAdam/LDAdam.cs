using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>LDAdam in TorchSharp's dialect: optimizers to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class LDAdam
{
    /// <summary>AdamW with a subspace that follows the gradient at every step, moments that follow the subspace, and error feedback.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 1e-3 (LDAdam).</param>
    /// <param name="rank">Dimensions of the subspace. Default 16.</param>
    /// <param name="error_feedback">Whether what the projection drops comes back with the next gradient; costs one matrix of state. Default true (LDAdam).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 1e-3, int rank = 16, bool error_feedback = true,
        double beta1 = 0.908, double beta2 = 0.99, double eps = 1e-8, double weight_decay = 0)
    {
        var options = new LDAdamOptions { Rank = rank, ErrorFeedback = error_feedback, Beta1 = beta1, Beta2 = beta2, Epsilon = eps };
        return new LDAdamStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>The same without names: every parameter of two or more dimensions is projected, embeddings too. Prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, bool, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3, int rank = 16, bool error_feedback = true,
        double beta1 = 0.908, double beta2 = 0.99, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, rank, error_feedback, beta1, beta2, eps, weight_decay);
}
