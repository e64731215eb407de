namespace LowRankTraining.Distributed;

/// <summary>How many numbers a step sends.</summary>
internal static class Payload
{
    /// <summary>The samples' 60m configuration: 8 layers of width 512, byte tokens.</summary>
    public static readonly (long Rows, long Columns, int Count, bool IsProjected)[] SixtyMillion =
    [
        (512, 512, 4 * 8, true),
        (1376, 512, 3 * 8, true),
        (256, 512, 2, false),
        (512, 1, 2 * 8 + 1, false),
    ];

    /// <summary>All gradients.</summary>
    public static long Whole((long Rows, long Columns, int Count, bool)[] matrices) => matrices.Sum(matrix => matrix.Rows * matrix.Columns * matrix.Count);

    /// <summary>R of what is projected, all of the rest.</summary>
    public static long Projected((long Rows, long Columns, int Count, bool IsProjected)[] matrices, long rank) => matrices.Sum(matrix =>
        (matrix.IsProjected ? rank * Math.Max(matrix.Rows, matrix.Columns) : matrix.Rows * matrix.Columns) * matrix.Count);
}
