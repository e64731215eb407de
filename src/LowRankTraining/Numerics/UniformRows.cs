namespace LowRankTraining.Numerics;

/// <summary>Rows of n entries, uniform in ±1/√n: what the first of two factors starts from (loralib, PEFT).</summary>
internal static class UniformRows
{
    /// <summary>The same numbers for the same key whatever the dtype.</summary>
    public static Tensor Draw(long rows, long columns, ScalarType dtype, Device device, ulong key) =>
        Draw([rows, columns], 1 / Math.Sqrt(columns), dtype, device, key);

    /// <summary>Numbers of any shape and bound, drawn in the same way.</summary>
    public static Tensor Draw(long[] shape, double bound, ScalarType dtype, Device device, ulong key)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(key);
        return generator.Uniform(shape, ScalarType.Float32, device, -bound, bound).to(dtype).MoveToOuterDisposeScope();
    }
}
