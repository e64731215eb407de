using System.Runtime.CompilerServices;

namespace LowRankTraining.Parts;

/// <summary>Checks of the formats that tensors of state are stored in.</summary>
internal static class FormatChecks
{
    /// <summary>A format that moments can be stored in.</summary>
    public static Checks Moments(this Checks checks, StateFormat? format, [CallerArgumentExpression(nameof(format))] string option = "") => checks
        .Format(format, option)
        .Require(format is null or { FitsMoments: true },
            $"{checks.PathOf(option)} is {nameof(StateFormat.Affine4Bit)}, which is for bases: moments that it rounds to zero would make steps of any size. " +
            $"Use {nameof(StateFormat)}.{nameof(StateFormat.Blockwise4Bit)}.");

    /// <summary>The same, where there may be none.</summary>
    public static Checks OptionalMoments(this Checks checks, StateFormat? format, [CallerArgumentExpression(nameof(format))] string option = "") =>
        format is null ? checks : checks.Moments(format, option);

    /// <summary>A format that a basis can be stored in.</summary>
    public static Checks Format(this Checks checks, StateFormat? format, [CallerArgumentExpression(nameof(format))] string option = "") => format is null
        ? checks.Require(false, $"{checks.PathOf(option)} is null: use {nameof(StateFormat)}.{nameof(StateFormat.Float32)} or another format.")
        : checks.Part(format, option);
}
