using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests;

/// <summary>Random matrices in double precision, the same on every run, and how far results lie apart.</summary>
internal static class Draw
{
    public static Tensor Normal(long rows, long columns, ulong seed) => Normal([rows, columns], seed);

    public static Tensor Normal(long[] shape, ulong seed)
    {
        using var generator = new Generator(seed, CPU);
        return randn(shape, ScalarType.Float64, generator: generator);
    }

    /// <summary>Orthonormal columns, by Householder QR.</summary>
    public static Tensor Basis(long length, long rank, ulong seed) => linalg.qr(Normal(length, rank, seed)).Q;

    /// <summary>A matrix with these singular values.</summary>
    public static Tensor WithSingularValues(long rows, long columns, ulong seed, params double[] values) =>
        Basis(rows, values.Length, seed).mul(tensor(values)).mm(Basis(columns, values.Length, seed + 1000).t());

    /// <summary>The largest difference, relative to the largest entry that is expected.</summary>
    public static double Error(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        var difference = (actual.to(ScalarType.Float64) - expected).abs().max().ToDouble();
        return difference / Math.Max(expected.abs().max().ToDouble(), 1e-300);
    }

    /// <summary>How far two orthonormal bases are from spanning the same: the largest entry of P Pᵀ − Q Qᵀ.</summary>
    public static double Angle(Tensor one, Tensor other)
    {
        using var scope = NewDisposeScope();
        return (one.mm(one.t()) - other.mm(other.t())).abs().max().ToDouble();
    }

    public static double Departure(Tensor basis)
    {
        using var scope = NewDisposeScope();
        return (basis.t().mm(basis) - eye(basis.shape[1], dtype: basis.dtype)).abs().max().ToDouble();
    }
}
