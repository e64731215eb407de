using LowRankTraining.Subspace;
using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>APOLLO in TorchSharp's dialect: optimizers to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class Apollo
{
    /// <summary>The gradient, scaled channel by channel as Adam scales its random projection of rank <paramref name="rank"/>.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 0.01 (APOLLO).</param>
    /// <param name="rank">Dimensions of the projection. Default 256.</param>
    /// <param name="update_proj_gap">Steps between two projections. Default 200 (APOLLO).</param>
    /// <param name="scale">Its square root multiplies the update. Default 1 (APOLLO).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 256, long update_proj_gap = 200, double scale = 1,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Create(named_parameters, lr, weight_decay, new() { Rank = rank, RefreshEvery = update_proj_gap, Scale = scale, Beta1 = beta1, Beta2 = beta2, Epsilon = eps });

    /// <summary>APOLLO. Without names every parameter of two or more dimensions is projected, embeddings too: prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 0.01, int rank = 256, long update_proj_gap = 200, double scale = 1,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, beta1, beta2, eps, weight_decay);

    /// <summary>APOLLO-Mini: one scaling factor for each matrix, from a projection of rank 1. State: two numbers for each row or column of the long side.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>; as in <see cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, double, double, double)"/>.</param>
    /// <param name="lr">Learning rate; default 0.01 (APOLLO).</param>
    /// <param name="update_proj_gap">Steps between two projections. Default 200 (APOLLO).</param>
    /// <param name="scale">Its square root multiplies the update. Default 128 (APOLLO).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer Mini(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, long update_proj_gap = 200, double scale = 128,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Create(named_parameters, lr, weight_decay, ApolloOptions.Mini with { RefreshEvery = update_proj_gap, Scale = scale, Beta1 = beta1, Beta2 = beta2, Epsilon = eps });

    /// <summary>APOLLO-Mini without names: every parameter of two or more dimensions is projected, embeddings too. Prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="Mini(IEnumerable{ValueTuple{string, Parameter}}, double, long, double, double, double, double, double)"/>
    public static LowRankOptimizer Mini(
        IEnumerable<Parameter> parameters,
        double lr = 0.01, long update_proj_gap = 200, double scale = 128,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        Mini(NamedParameter.Numbered(parameters), lr, update_proj_gap, scale, beta1, beta2, eps, weight_decay);

    private static LowRankOptimizer Create(IEnumerable<(string, Parameter)> named_parameters, double lr, double weight_decay, ApolloOptions options) =>
        new ApolloStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
}
