using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>GradNormLoRP in TorchSharp's dialect: optimizers to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class GradNormLoRP
{
    /// <summary>AdamW on magnitude and direction of the rows, the direction's gradient projected from both sides.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 1e-2, as GaLore's: the factor 0.25 makes steps of the direction that much smaller.</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between two refreshes of the subspace. Default 200.</param>
    /// <param name="scale">Factor on the projected update of the direction. Default 0.25.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 1e-2, int rank = 128, long update_proj_gap = 200, double scale = 0.25,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
    {
        var options = new GradNormLoRPOptions { Rank = rank, RefreshEvery = update_proj_gap, Scale = scale, Beta1 = beta1, Beta2 = beta2, Epsilon = eps };
        return new GradNormLoRPStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>The same without names: every parameter of two or more dimensions is projected, embeddings too. Prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2, int rank = 128, long update_proj_gap = 200, double scale = 0.25,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, beta1, beta2, eps, weight_decay);
}
