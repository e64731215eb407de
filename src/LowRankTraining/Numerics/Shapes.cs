namespace LowRankTraining.Numerics;

/// <summary>Counts entries, and sees a tensor of more than two dimensions as a matrix of out × rest.</summary>
internal static class Shapes
{
    /// <summary>Entries of a tensor.</summary>
    public static long Elements(this IReadOnlyList<long> shape) => shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Rows and columns of the matrix.</summary>
    public static (long Rows, long Columns) Sides(this IReadOnlyList<long> shape) => (shape[0], shape.Skip(1).Aggregate(1L, (product, size) => product * size));

    /// <summary>The shorter of both.</summary>
    public static long ShortSide(this IReadOnlyList<long> shape) => Math.Min(shape.Sides().Rows, shape.Sides().Columns);

    /// <summary>Whether a matrix has more rows than columns.</summary>
    public static bool IsTall(this Tensor matrix) => matrix.size(0) > matrix.size(1);

    /// <summary>Zeros without memory of their own, for whoever asks for shape, dtype and device of a matrix alone.</summary>
    public static Tensor Placeholder(long rows, long columns, ScalarType dtype, Device device) => zeros(1, 1, dtype, device).expand(rows, columns);

    /// <summary>The tensor as that matrix.</summary>
    public static Tensor AsMatrix(this Tensor tensor) => tensor.dim() == 2 ? tensor : tensor.reshape(tensor.shape[0], -1);
}
