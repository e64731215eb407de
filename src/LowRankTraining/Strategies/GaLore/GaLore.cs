using LowRankTraining.Subspace;
using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>GaLore in TorchSharp's dialect: optimizers to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class GaLore
{
    /// <summary>AdamW whose moments live in a subspace of rank <paramref name="rank"/>.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate. GaLore's is about ten times that of plain AdamW; default 0.01 (GaLore).</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between two refreshes of the subspace. Default 200 (GaLore).</param>
    /// <param name="scale">Factor on the projected update. Default 0.25 (GaLore).</param>
    /// <param name="side">Which side is compressed. Default: the short one.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, ProjectionSide side = ProjectionSide.Short,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
    {
        var options = new GaLoreOptions { Rank = rank, RefreshEvery = update_proj_gap, Scale = scale, Side = side, Beta1 = beta1, Beta2 = beta2, Epsilon = eps };
        return Make(options, named_parameters, lr, weight_decay);
    }

    /// <summary>Adafactor inside a subspace of rank <paramref name="rank"/>: of the second moment only averages of rows and columns are kept.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 0.01 (GaLore).</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between two refreshes of the subspace. Default 200 (GaLore).</param>
    /// <param name="scale">Factor on the projected update. Default 0.25 (GaLore).</param>
    /// <param name="beta1">Decay of the first moment; default 0, which keeps none (GaLore).</param>
    /// <param name="scale_parameter">Whether steps are relative to the weight's root mean square. Default false (GaLore).</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer Adafactor(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, double beta1 = 0, bool scale_parameter = false, double weight_decay = 0) =>
        Make(new() { Inner = GaLoreInner.Adafactor, Rank = rank, RefreshEvery = update_proj_gap, Scale = scale, Adafactor = new() { Beta1 = beta1, ScaleParameter = scale_parameter } }, named_parameters, lr, weight_decay);

    /// <summary>SGD with momentum inside a subspace of rank <paramref name="rank"/>.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate.</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between two refreshes of the subspace. Default 200 (GaLore).</param>
    /// <param name="scale">Factor on the projected update. Default 1: steps of SGD have the gradient's size already.</param>
    /// <param name="momentum">Default 0.9.</param>
    /// <param name="nesterov">Whether the update looks one step ahead.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer SGD(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr, int rank = 128, long update_proj_gap = 200, double scale = 1, double momentum = 0.9, bool nesterov = false, double weight_decay = 0) =>
        Make(new() { Inner = GaLoreInner.Sgd, Rank = rank, RefreshEvery = update_proj_gap, Scale = scale, Sgd = new() { Momentum = momentum, Nesterov = nesterov } }, named_parameters, lr, weight_decay);

    /// <summary>Lion inside a subspace of rank <paramref name="rank"/>.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Matrices are projected; embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are not.</param>
    /// <param name="lr">Learning rate; default 0.001. Lion's is a tenth to a third of Adam's.</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between two refreshes of the subspace. Default 200 (GaLore).</param>
    /// <param name="scale">Factor on the projected update. Default 0.25 (GaLore).</param>
    /// <param name="beta1">Share of the momentum in the update. Default 0.9 (Lion).</param>
    /// <param name="beta2">Decay of the momentum. Default 0.99 (Lion).</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer Lion(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.001, int rank = 128, long update_proj_gap = 200, double scale = 0.25, double beta1 = 0.9, double beta2 = 0.99, double weight_decay = 0) =>
        Make(new() { Inner = GaLoreInner.Lion, Rank = rank, RefreshEvery = update_proj_gap, Scale = scale, Lion = new() { Beta1 = beta1, Beta2 = beta2 } }, named_parameters, lr, weight_decay);

    /// <summary>AdamW whose moments live in a subspace. Without names every parameter of two or more dimensions is projected, embeddings too: prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, ProjectionSide, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, ProjectionSide side = ProjectionSide.Short,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, side, beta1, beta2, eps, weight_decay);

    /// <summary>Adafactor inside a subspace. Without names every parameter of two or more dimensions is projected, embeddings too: prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="Adafactor(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, bool, double)"/>
    public static LowRankOptimizer Adafactor(
        IEnumerable<Parameter> parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, double beta1 = 0, bool scale_parameter = false, double weight_decay = 0) =>
        Adafactor(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, beta1, scale_parameter, weight_decay);

    /// <summary>SGD with momentum inside a subspace. Without names every parameter of two or more dimensions is projected, embeddings too: prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="SGD(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, bool, double)"/>
    public static LowRankOptimizer SGD(
        IEnumerable<Parameter> parameters,
        double lr, int rank = 128, long update_proj_gap = 200, double scale = 1, double momentum = 0.9, bool nesterov = false, double weight_decay = 0) =>
        SGD(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, momentum, nesterov, weight_decay);

    /// <summary>Lion inside a subspace. Without names every parameter of two or more dimensions is projected, embeddings too: prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="Lion(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, double, double)"/>
    public static LowRankOptimizer Lion(
        IEnumerable<Parameter> parameters,
        double lr = 0.001, int rank = 128, long update_proj_gap = 200, double scale = 0.25, double beta1 = 0.9, double beta2 = 0.99, double weight_decay = 0) =>
        Lion(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, beta1, beta2, weight_decay);

    private static LowRankOptimizer Make(GaLoreOptions options, IEnumerable<(string name, Parameter parameter)> named_parameters, double lr, double weight_decay) =>
        new GaLoreStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
}
