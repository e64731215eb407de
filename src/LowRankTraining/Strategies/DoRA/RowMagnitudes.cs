namespace LowRankTraining.Strategies;

/// <summary>The algebra of DoRA: rows of W + s B A, with W m × n, A r × n, B m × r, brought to lengths of their own.</summary>
internal static class RowMagnitudes
{
    /// <summary>c, the norm of every row of W + s B A, without that matrix: c² = ‖w‖² + 2 s Σ (W Aᵀ) ∘ B + s² Σ B (A Aᵀ) ∘ B.</summary>
    /// <returns>m entries in the weight's dtype. Gradients reach A and B unless they are detached.</returns>
    public static Tensor Norms(Tensor weight, Tensor a, Tensor b, double scale)
    {
        using var scope = NewDisposeScope();
        var precise = weight.dtype.Computing();
        var (across, gram) = (weight.mm(a.t()).to(precise), a.mm(a.t()).to(precise));
        var left = b.to(precise);
        var mixed = left.mm(gram).mul(scale * scale).add(across.mul(2 * scale)).mul(left).sum(1L);
        var square = linalg.vector_norm(weight, dims: [1]).to(precise).square();
        return square.add(mixed).clamp_min(Smallest(weight) * Smallest(weight)).sqrt().to(weight.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>diag(m / c) (W + s B A) as a new tensor, float32 or float64.</summary>
    public static Tensor Effective(Tensor weight, Tensor a, Tensor b, Tensor magnitude, double scale)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var merged = LowRankFactors.Effective(weight, a, b, scale);
        var norms = linalg.vector_norm(merged, dims: [1], keepdim: true).clamp_min_(Smallest(weight));
        return merged.mul_(magnitude.to(merged.dtype).unsqueeze(1).div(norms)).MoveToOuterDisposeScope();
    }

    /// <summary>A row of zeros has no direction; its norm is taken to be this, which the dtype can hold.</summary>
    private static double Smallest(Tensor weight) => weight.dtype == ScalarType.Float16 ? 1e-6 : 1e-12;
}
