using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Subspace;

/// <summary>A subspace of (rows × columns) matrices, given by orthonormal bases of one side or of both.</summary>
/// <param name="Left">P, rows × rank with orthonormal columns, or null.</param>
/// <param name="Right">Q, columns × rank with orthonormal columns, or null.</param>
public readonly record struct Projection(Tensor? Left, Tensor? Right)
{
    /// <value>The axis of a one-sided low-rank gradient along which the rank runs: 0 for a left projection, 1 for a right one.</value>
    public int RankAxis => Left is null ? 1 : 0;

    /// <summary>PᵀG, GQ or PᵀGQ.</summary>
    public Tensor Project(Tensor gradient)
    {
        if (Left is null)
            return gradient.mm(Right!);

        using var transposed = Left.t();
        if (Right is null)
            return transposed.mm(gradient);

        using var half = transposed.mm(gradient);
        return half.mm(Right);
    }

    /// <summary>accumulator += scale · P X, X Qᵀ or P X Qᵀ, with no temporary of the accumulator's size.</summary>
    public void AddBack(Tensor accumulator, Tensor lowRank, double scale)
    {
        if (Right is null)
        {
            accumulator.addmm_(Left!, lowRank, beta: 1, alpha: (float)scale);
            return;
        }

        using var transposed = Right.t();
        if (Left is null)
        {
            accumulator.addmm_(lowRank, transposed, beta: 1, alpha: (float)scale);
            return;
        }

        using var half = Left.mm(lowRank);
        accumulator.addmm_(half, transposed, beta: 1, alpha: (float)scale);
    }
}
