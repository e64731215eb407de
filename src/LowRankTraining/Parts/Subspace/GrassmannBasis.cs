namespace LowRankTraining.Parts;

/// <summary>Follows the gradient's subspace along the Grassmann manifold: one rotation, in the plane in which the error falls fastest.</summary>
/// <remarks>
/// <para>X = PᵀA; E = A − P X; F = −2 E Xᵀ, with leading singular triplet (u, σ, v): P ← (P v cos(σ η) − u sin(σ η)) vᵀ + P (I − v vᵀ).</para>
/// <para>F has the size of P, so only its r × r Gram matrix is decomposed. The step is relative: η σ is the angle with F taken of A / ‖A‖, so that η does not
/// depend on the gradient's scale. The angle never exceeds a right one. The result is orthonormalized, since rounding would pile up over thousands of
/// rotations.</para>
/// <para>Source: Rajabi et al., SubTrack++, arXiv 2502.01586, section 3. The authors' code multiplies the tangent of a tall matrix by zero, and scales η with
/// the square of the gradient.</para>
/// </remarks>
public sealed record GrassmannBasis : IBasis
{
    /// <value>η, in radians for a unit tangent of the normalized gradient; above 0. Default 1: ours; the authors' 10,000 is for raw gradients.</value>
    public double StepSize { get; init; } = 1;

    /// <value>Whether the tangent is taken of A / ‖A‖. Default true.</value>
    public bool Normalized { get; init; } = true;

    /// <value>Finds the first basis. Default: randomized SVD.</value>
    public IBasis Start { get; init; } = new RandomizedSvdBasis();

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.Above(0, StepSize).GoesOnFrom(this, Start);

    /// <inheritdoc/>
    public IBasis? Within => Start;

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        if (query.Previous is not { } basis || basis.shape[1] != query.Rank)
            return Start.Find(query);

        using var scope = NewDisposeScope();
        var inside = basis.t().mm(query.Matrix);

        // −2 (A − P X) Xᵀ without the residual, which would have the gradient's size.
        var tangent = query.Matrix.mm(inside.t()).sub_(basis.mm(inside.mm(inside.t()))).mul_(-2);
        if (Normalized)
            tangent.div_(query.Matrix.square().sum().clamp_min_(Precision.SmallestNormal));

        var (values, vectors) = SymmetricEigen.Of(tangent.t().mm(tangent));
        var sigma = values.narrow(0, values.shape[0] - 1, 1).clamp_min(0).sqrt();
        var v = vectors.narrow(1, vectors.shape[1] - 1, 1);
        var u = tangent.mm(v).div_(sigma.clamp_min(1e-30));

        var angle = sigma.mul(StepSize).clamp_max(Math.PI / 2);
        var along = basis.mm(v);
        var turned = along * angle.cos() - u * angle.sin();
        return Orthonormal.Columns(basis.add((turned - along).mm(v.t()))).MoveToOuterDisposeScope();
    }
}
