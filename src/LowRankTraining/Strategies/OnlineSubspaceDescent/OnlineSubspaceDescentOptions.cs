using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="OnlineSubspaceDescentStrategy"/>.</summary>
public sealed record OnlineSubspaceDescentOptions : GradientSpaceOptions
{
    /// <value>η_P, learning rate of the subspace while the weights have their initial one, and falling with theirs; above 0. Default 0.005: one in the authors' gap of 200 steps.</value>
    public double ProjectorLearningRate { get; init; } = 0.005;

    /// <value>Whether the subspace is moved by AdamW, or by plain gradient descent. Default true (paper).</value>
    public bool ProjectorUsesAdam { get; init; } = true;

    /// <value>Decoupled weight decay of the subspace, at least 0; without effect on what it spans where columns are orthonormalized. Default 0; the authors' code has 0.01.</value>
    public double ProjectorWeightDecay { get; init; }

    /// <value>α, a factor on the projected update; above 0. Default 0.25 (GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;
}

/// <summary>Finds every violation in <see cref="OnlineSubspaceDescentOptions"/> at once.</summary>
public sealed class OnlineSubspaceDescentOptionsValidator : IValidateOptions<OnlineSubspaceDescentOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, OnlineSubspaceDescentOptions options) => options.Rules()
        .Above(0, options.ProjectorLearningRate)
        .AtLeast(0, options.ProjectorWeightDecay)
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Fits(OnlineSubspaceDescentStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
