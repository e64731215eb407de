namespace LowRankTraining.Layers;

/// <summary>Gives a product of factors a lower rank and says what is left over, without ever forming the product.</summary>
/// <remarks>
/// <para>B = Q_B R_B and Aᵀ = Q_A R_A; R_B R_Aᵀ = U Σ Vᵀ, at most r × r. With the r′ largest singular values B′ = Q_B U √Σ and A′ = √Σ Vᵀ Q_Aᵀ, balanced; the
/// others are what is dropped. B A = B′ A′ + (dropped), so a weight that the dropped part is merged into keeps its function. Cost O((m + n) r² + r³).</para>
/// <para>A kept direction that carries nothing, as all of them do while B is zero, gets a zero column in B′ and in A′ a row of A's usual length out of the span
/// of A's rows: it can still learn.</para>
/// <para>Half precision is computed in float32.</para>
/// </remarks>
internal static class RankReduction
{
    /// <summary>Reduces B A to a rank.</summary>
    /// <param name="a">A, r × n, finite.</param>
    /// <param name="b">B, m × r, finite.</param>
    /// <param name="rank">r′, at least 1 and at most r, m and n; r itself only balances the factors.</param>
    /// <returns>The caller disposes it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The rank is out of range.</exception>
    public static ReducedFactors Reduce(Tensor a, Tensor b, long rank)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (basisA, triangularA) = linalg.qr(a.Widened().t());
        var (basisB, triangularB) = linalg.qr(b.Widened());
        var (u, values, vh) = linalg.svd(triangularB.mm(triangularA.t()), fullMatrices: false);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, values.shape[0]);

        var kept = Math.Min(rank, Significant(values));
        var dropped = values.shape[0] - kept;
        var root = values.sqrt();
        var inverse = root.narrow(0, 0, kept).pow(-1).unsqueeze(1);
        var (rootU, rootVh) = (u * root, root.unsqueeze(1) * vh);

        var rowsOfA = rootVh.narrow(0, 0, kept);
        var columnsOfB = rootU.narrow(1, 0, kept);
        var mapOfA = inverse * u.narrow(1, 0, kept).t().mm(triangularB);
        var mapOfB = inverse * vh.narrow(0, 0, kept).mm(triangularA);

        if (rank > kept)
        {
            var idle = vh.narrow(0, kept, rank - kept) * triangularA.norm().div(Math.Sqrt(a.shape[0]));
            rowsOfA = cat([rowsOfA, idle], 0);
            columnsOfB = cat([columnsOfB, zeros(u.shape[0], rank - kept, u.dtype, u.device)], 1);
            mapOfA = cat([mapOfA, idle.mm(linalg.pinv(triangularA).t())], 0);
            mapOfB = cat([mapOfB, zeros(rank - kept, a.shape[0], u.dtype, u.device)], 0);
        }

        return new ReducedFactors(
            rowsOfA.mm(basisA.t()).MoveToOuterDisposeScope(),
            basisB.mm(columnsOfB).MoveToOuterDisposeScope(),
            rootVh.narrow(0, kept, dropped).mm(basisA.t()).MoveToOuterDisposeScope(),
            basisB.mm(rootU.narrow(1, kept, dropped)).MoveToOuterDisposeScope(),
            mapOfA.MoveToOuterDisposeScope(),
            mapOfB.MoveToOuterDisposeScope());
    }

    /// <summary>The singular values of B A, in falling order: min(r, m, n) of them.</summary>
    public static Tensor SingularValues(Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (triangularA, triangularB) = (linalg.qr(a.Widened().t()).R, linalg.qr(b.Widened()).R);
        return linalg.svdvals(triangularB.mm(triangularA.t())).MoveToOuterDisposeScope();
    }

    /// <summary>How many singular values are more than rounding.</summary>
    private static long Significant(Tensor values)
    {
        var precision = values.dtype == ScalarType.Float64 ? double.BitIncrement(1) - 1 : float.BitIncrement(1) - 1;
        var floor = values[0].mul(precision * values.shape[0]);
        return values.gt(floor).sum().ToInt64();
    }
}

/// <summary>Factors of a lower rank, B A = B′ A′ + (dropped B)(dropped A), in float32 or float64.</summary>
/// <param name="A">A′, r′ × n.</param>
/// <param name="B">B′, m × r′.</param>
/// <param name="DroppedA">What is left over of A: at least r − r′ rows.</param>
/// <param name="DroppedB">What is left over of B: as many columns.</param>
/// <param name="MapOfA">T with A′ = T A, r′ × r.</param>
/// <param name="MapOfB">S with B′ᵀ = S Bᵀ, r′ × r.</param>
/// <remarks>
/// Gradients change places, since ∂A = s Bᵀ G and ∂B = s G Aᵀ: the first moment of A is carried by S, that of B by T. Second moments are carried by
/// the squares of the entries, as if the gradients of different rows were independent.
/// </remarks>
internal sealed record ReducedFactors(Tensor A, Tensor B, Tensor DroppedA, Tensor DroppedB, Tensor MapOfA, Tensor MapOfB) : IDisposable
{
    /// <summary>Frees all six tensors.</summary>
    public void Dispose()
    {
        foreach (var tensor in new[] { A, B, DroppedA, DroppedB, MapOfA, MapOfB })
            tensor.Dispose();
    }
}
