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
        return new GaLoreStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>AdamW whose moments live in a subspace. Without names every parameter of two or more dimensions is projected, embeddings too: prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, ProjectionSide, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        IEnumerable<Parameter> parameters,
        double lr = 0.01, int rank = 128, long update_proj_gap = 200, double scale = 0.25, ProjectionSide side = ProjectionSide.Short,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, side, beta1, beta2, eps, weight_decay);
}
