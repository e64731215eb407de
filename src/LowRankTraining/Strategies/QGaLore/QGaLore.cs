using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Q-GaLore in TorchSharp's dialect: optimizers to put where <c>torch.optim.AdamW</c> stands.</summary>
public static class QGaLore
{
    /// <summary>AdamW with 8-bit moments in a subspace whose basis has 4 bits, and 8-bit weights.</summary>
    /// <param name="model">The model, whose linear layers are replaced by 8-bit ones where it holds them in fields of type <c>Module&lt;Tensor, Tensor&gt;</c>.
    /// Embeddings and the output head (names containing "embed" or "lm_head") and everything of fewer than two dimensions are left as they are.</param>
    /// <param name="lr">Learning rate; default 0.015 (Q-GaLore, 60M and 130M).</param>
    /// <param name="rank">Dimensions of the subspace. Default 128.</param>
    /// <param name="update_proj_gap">Steps between the first refreshes of the subspace. Default 200 (Q-GaLore).</param>
    /// <param name="scale">Factor on the projected update. Default 0.25 (Q-GaLore).</param>
    /// <param name="cos_threshold">Mean similarity of subspaces from which the gap grows. Default 0.4 (Q-GaLore).</param>
    /// <param name="gamma_proj">What the gap is multiplied by. Default 2 (Q-GaLore).</param>
    /// <param name="queue_size">Similarities that are averaged. Default 5 (Q-GaLore).</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Term added to the denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <remarks>Call <c>optimizer.Session.Finish()</c> to get plain layers back.</remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW8bit(
        nn.Module model,
        double lr = 0.015, int rank = 128, long update_proj_gap = 200, double scale = 0.25,
        double cos_threshold = 0.4, double gamma_proj = 2, int queue_size = 5,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        new QGaLoreStrategy(Options(rank, update_proj_gap, scale, cos_threshold, gamma_proj, queue_size, beta1, beta2, eps)).Attach(model).CreateOptimizer(lr, weight_decay);

    /// <summary>The same with weights as they are: without the model its layers cannot be replaced.</summary>
    /// <inheritdoc cref="AdamW8bit(nn.Module, double, int, long, double, double, double, int, double, double, double, double)"/>
    public static LowRankOptimizer AdamW8bit(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 0.015, int rank = 128, long update_proj_gap = 200, double scale = 0.25,
        double cos_threshold = 0.4, double gamma_proj = 2, int queue_size = 5,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        new QGaLoreStrategy(Options(rank, update_proj_gap, scale, cos_threshold, gamma_proj, queue_size, beta1, beta2, eps)).Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    /// <summary>The same without names: every parameter of two or more dimensions is projected, embeddings too. Prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="AdamW8bit(nn.Module, double, int, long, double, double, double, int, double, double, double, double)"/>
    public static LowRankOptimizer AdamW8bit(
        IEnumerable<Parameter> parameters,
        double lr = 0.015, int rank = 128, long update_proj_gap = 200, double scale = 0.25,
        double cos_threshold = 0.4, double gamma_proj = 2, int queue_size = 5,
        double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
        AdamW8bit(NamedParameter.Numbered(parameters), lr, rank, update_proj_gap, scale, cos_threshold, gamma_proj, queue_size, beta1, beta2, eps, weight_decay);

    private static QGaLoreOptions Options(
        int rank, long update_proj_gap, double scale, double cos_threshold, double gamma_proj, int queue_size, double beta1, double beta2, double eps) => new()
    {
        Rank = rank,
        RefreshEvery = update_proj_gap,
        Scale = scale,
        SimilarityThreshold = cos_threshold,
        GapGrowth = gamma_proj,
        RememberedSimilarities = queue_size,
        Beta1 = beta1,
        Beta2 = beta2,
        Epsilon = eps,
    };
}
