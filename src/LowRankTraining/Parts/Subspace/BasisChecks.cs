using System.Runtime.CompilerServices;

namespace LowRankTraining.Parts;

/// <summary>Checks of bases that ask others for columns.</summary>
internal static class BasisChecks
{
    /// <summary>A basis that another one goes on from.</summary>
    public static Checks GoesOnFrom(this Checks checks, IBasis outer, IBasis? inner, [CallerArgumentExpression(nameof(inner))] string option = "")
    {
        checks.Part(inner, option);
        return inner is not null && ObjectionTo(inner, outer) is { } objection ? checks.Require(false, objection) : checks;
    }

    /// <summary>Why one basis cannot go on from another, in a sentence that says what to do; null where it can.</summary>
    public static string? ObjectionTo(IBasis inner, IBasis outer) => !inner.GivesColumns || !inner.IsOrthonormal || (inner.IsAdaptive && !outer.IsAdaptive)
        ? $"{outer.GetType().Name} goes on from orthonormal columns of a fixed number, which {inner.GetType().Name} does not give: " +
          "take a basis that does, such as RandomizedSvdBasis."
        : null;
}
