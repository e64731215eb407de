namespace LowRankTraining.Parts;

/// <summary>What rules for the matrices of layers say of everything else.</summary>
internal static class MatrixRules
{
    /// <summary>Refuses a vector.</summary>
    /// <exception cref="ArgumentException">The gradient has fewer than two dimensions.</exception>
    public static void RequireMatrix(this UpdateRule rule, Tensor gradient, in StepContext step)
    {
        if (gradient.dim() < 2)
            throw new ArgumentException(rule.RefusalOf(step.Parameter, "a vector"), nameof(gradient));
    }

    /// <summary>The gradient as a matrix in computing precision, of a size that can be squared and added up; null where no update can be made from
    /// it.</summary>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public static Tensor? MatrixOf(this UpdateRule rule, Tensor gradient, in StepContext step)
    {
        rule.RequireMatrix(gradient, step);
        return step.InRange(gradient)?.Widened().AsMatrix();
    }

    /// <summary>A rank, lowered to the short side of a matrix.</summary>
    public static long Within(this int rank, IReadOnlyList<long> shape) => Math.Min(rank, shape.ShortSide());

    /// <summary>What a reader should know of a rank that is lowered, or null.</summary>
    public static string? NoteOnRank(int rank, IReadOnlyList<long> shape) =>
        rank <= shape.ShortSide() ? null : $"rank {rank} lowered to {shape.ShortSide()}, the length of the short side";

    /// <summary>Why a parameter is refused, and what to do.</summary>
    public static string RefusalOf(this UpdateRule rule, string parameter, string kind) =>
        $"'{parameter}' is {kind}, and {rule.GetType().Name} is for the matrices of layers: give it another rule, such as {nameof(AdamRule)}.";
}
