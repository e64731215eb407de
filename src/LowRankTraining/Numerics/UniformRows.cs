namespace LowRankTraining.Numerics;

/// <summary>Rows of n entries, uniform in ±1/√n: what the first of two factors starts from (loralib, PEFT).</summary>
internal static class UniformRows
{
    /// <summary>The same numbers for the same key whatever the dtype.</summary>
    public static Tensor Draw(long rows, long columns, ScalarType dtype, Device device, ulong key)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(key);
        var bound = 1 / Math.Sqrt(columns);
        return generator.Uniform([rows, columns], ScalarType.Float32, device, -bound, bound).to(dtype).MoveToOuterDisposeScope();
    }
}
