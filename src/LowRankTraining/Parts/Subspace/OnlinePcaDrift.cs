namespace LowRankTraining.Parts;

/// <summary>One gradient step of the basis on its reconstruction error of the normalized gradient, after every update.</summary>
/// <remarks>
/// <para>Â = A / ‖A‖, X = PᵀÂ: ∇_P ‖P X − Â‖² = −4 Â Xᵀ + 2 Â Xᵀ (PᵀP) + 2 P (X Xᵀ), 4 s l r operations and nothing of size s × s. AdamW or plain descent at
/// η_P times the share of the initial learning rate that the weights have.</para>
/// <para>State: with AdamW two tensors of the basis' shape, <c>drift_exp_avg</c> and <c>drift_exp_avg_sq</c>.</para>
/// <para>Source: Liang et al., Online Subspace Descent, arXiv 2408.12857, algorithm 1.</para>
/// </remarks>
public sealed record OnlinePcaDrift : IPart
{
    /// <value>η_P, above 0. Default 0.005.</value>
    public double LearningRate { get; init; } = 0.005;

    /// <value>Decoupled weight decay of the basis, at least 0. Default 0.</value>
    public double WeightDecay { get; init; }

    /// <value>Whether AdamW moves the basis, or plain descent. Default true.</value>
    public bool UsesAdam { get; init; } = true;

    /// <value>Whether the columns are orthonormalized after each step. Default true.</value>
    public bool Orthonormalizes { get; init; } = true;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(0, LearningRate)
        .AtLeast(0, WeightDecay);

    private static AdamRule Adam { get; } = new() { Names = AdamNames.After("drift_") };

    /// <summary>The basis that the next update uses. Not asked at the update that has found the first one.</summary>
    /// <param name="seen">Â ÂᵀP, s × rank, with Â = A / ‖A‖ and A the gradient of this update, s × l, or its transpose where columns are compressed. Where
    /// gradients that add up are projected as they arise, that of the first one.</param>
    /// <param name="basis">P, the columns in use, s × rank. Not to be changed.</param>
    /// <param name="state">The parameter's memory.</param>
    /// <param name="step">The step.</param>
    internal Tensor Move(Tensor seen, Tensor basis, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var rate = LearningRate * step.LearningRateShare;
        var gradient = Gradient(seen, basis);
        var moved = basis.mul(1 - rate * WeightDecay);

        if (UsesAdam)
        {
            var (direction, correction) = Adam.Advance(gradient, state, step);
            moved.add_(direction, -rate * correction);
        }
        else
            moved.add_(gradient, -rate);

        return (Orthonormalizes ? Orthonormal.Columns(moved) : moved).MoveToOuterDisposeScope();
    }

    /// <summary>What is kept for a basis of this shape.</summary>
    internal IEnumerable<StateSlot> SlotsFor(long length, long rank) => UsesAdam ? Adam.SlotsFor([length, rank]) : [];

    /// <summary>∇_P ‖P PᵀÂ − Â‖², from S = Â Xᵀ: X Xᵀ = PᵀS.</summary>
    internal static Tensor Gradient(Tensor seen, Tensor basis)
    {
        using var scope = NewDisposeScope();
        var transposed = basis.t();
        var gradient = seen.mul(-4);
        gradient.addmm_(seen, transposed.mm(basis), beta: 1, alpha: 2);
        gradient.addmm_(basis, transposed.mm(seen), beta: 1, alpha: 2);
        return gradient.MoveToOuterDisposeScope();
    }
}
