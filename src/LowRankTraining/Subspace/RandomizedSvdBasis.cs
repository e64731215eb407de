using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Subspace;

/// <summary>The leading left singular vectors, nearly, from a random sketch: what GaLore 2 uses.</summary>
/// <remarks>
/// <para>Y = A Ω with Gaussian Ω of k = min(s, rank + p) columns; q times Y ← A (Aᵀ Y), orthonormalised in between; then the k × k eigenproblem of (QᵀA)(QᵀA)ᵀ orders and cuts.
/// (4 + 4q) s l k operations, all of them products. Where the sketch would be as wide as the short side, the eigenvectors of A Aᵀ are taken instead.</para>
/// <para>Source: Halko, Martinsson and Tropp, SIAM Review 53 (2011), algorithms 4.4 and 5.1; GaLore 2, arXiv 2504.20437.</para>
/// </remarks>
public sealed record RandomizedSvdBasis : IBasis
{
    /// <value>p, extra columns of the sketch. Default 8 (Halko et al. advise 5 to 10).</value>
    public int Oversampling { get; init; } = 8;

    /// <value>q, passes of power iteration. Default 1.</value>
    public int PowerIterations { get; init; } = 1;

    /// <inheritdoc/>
    public Tensor Find(Tensor matrix, long rank, Tensor? previous, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var width = Math.Min(matrix.shape[0], rank + Oversampling);

        var basis = width == matrix.shape[0]
            ? LeadingEigenvectors(matrix.mm(matrix.t()), rank)
            : FromSketch(matrix, rank, width, step);

        return basis.MoveToOuterDisposeScope();
    }

    private Tensor FromSketch(Tensor matrix, long rank, long width, in StepContext step)
    {
        using var generator = step.Generator("sketch", matrix.device);
        var omega = randn(matrix.shape[1], width, matrix.dtype, matrix.device, generator: generator);

        var range = matrix.mm(omega);
        for (var pass = 0; pass < PowerIterations; pass++)
            range = SubspaceIteration.Pass(matrix, Orthonormal.Columns(range));

        var wide = Orthonormal.Columns(range);
        var core = wide.t().mm(matrix);
        return wide.mm(LeadingEigenvectors(core.mm(core.t()), rank));
    }

    /// <summary>Eigenvectors of a symmetric matrix, largest eigenvalue first.</summary>
    private static Tensor LeadingEigenvectors(Tensor symmetric, long count)
    {
        var (_, ascending) = linalg.eigh(symmetric);
        return ascending.narrow(1, ascending.shape[1] - count, count).flip(1);
    }
}
