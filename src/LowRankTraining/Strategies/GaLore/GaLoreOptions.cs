using System.ComponentModel.DataAnnotations;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="GaLoreStrategy"/>.</summary>
public sealed record GaLoreOptions : GradientSpaceOptions
{
    /// <value>α, a factor on the projected update; above 0. Default 0.25 (GaLore, section 5.1).</value>
    [Range(0, double.MaxValue, MinimumIsExclusive = true, ErrorMessage = "Scale must be above 0.")]
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    [EnumDataType(typeof(ProjectionSide), ErrorMessage = "Side is not one of Short, Long, Left, Right, Both.")]
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;
}

/// <summary>Finds every violation in <see cref="GaLoreOptions"/> at once.</summary>
[OptionsValidator]
public sealed partial class GaLoreOptionsValidator : IValidateOptions<GaLoreOptions>;
