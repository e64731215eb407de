namespace LowRankTraining.Parts;

/// <summary>Turns a step in the subspace into an update of the whole matrix.</summary>
public interface ILift : IPart
{
    /// <value>Whether it uses the whole gradient, so that accumulated low-rank gradients do not suffice. Default true.</value>
    bool NeedsFullGradient => true;

    /// <value>Whether it looks at <see cref="LowRankStep.LowRankGradient"/>; else the direction may take its memory. Default true.</value>
    bool NeedsLowRankGradient => true;

    /// <value>Whether it relies on orthonormal bases. Default true.</value>
    bool NeedsOrthonormalBasis => true;

    /// <value>Whether it scales the long side's vectors one by one, which a projection of both sides does not have. Default false.</value>
    bool NeedsOneSide => false;

    /// <value>What it keeps for one parameter. Default: nothing.</value>
    IEnumerable<StateSlot> Slots => [];

    /// <summary>accumulator += scale · update.</summary>
    /// <param name="accumulator">rows × columns; only ever added to.</param>
    /// <param name="lowRank">The step in the subspace.</param>
    /// <param name="scale">Minus the learning rate.</param>
    /// <param name="state">The parameter's memory.</param>
    void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state);
}

/// <summary>A step that an inner rule wants to take in a subspace.</summary>
/// <param name="Gradient">G, rows × columns.</param>
/// <param name="Projection">The subspace.</param>
/// <param name="LowRankGradient">R, the projection of G.</param>
/// <param name="Direction">N, in the shape of R; the lift may overwrite it.</param>
/// <param name="Correction">c: the step is c · N.</param>
public readonly record struct LowRankStep(Tensor Gradient, Projection Projection, Tensor LowRankGradient, Tensor Direction, double Correction)
{
    /// <value>‖Rⱼ‖², along the rank, where it is known already.</value>
    internal Tensor? SquaredNorms { get; init; }

    /// <summary>‖Rⱼ‖², along the rank. Not to be changed.</summary>
    internal Tensor InsideSquares() => SquaredNorms ?? Numerics.SquaredNorms.Along(LowRankGradient, Projection.RankAxis);
}

/// <summary>The step goes back into the subspace that it came from: the update has the rank of the subspace.</summary>
/// <remarks>U = α c P N (left), α c N Qᵀ (right) or α c P N Qᵀ (both): one product, straight into the weight.
/// Source: GaLore, arXiv 2403.03507, equation 12.</remarks>
public sealed record ProjectBack : ILift
{
    /// <value>α, a factor on the update; above 0. Default 0.25 (GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.Above(0, Scale);

    /// <inheritdoc/>
    public bool NeedsFullGradient => false;

    /// <inheritdoc/>
    public bool NeedsLowRankGradient => false;

    /// <inheritdoc/>
    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state) =>
        lowRank.Projection.AddBack(accumulator, lowRank.Direction, scale * lowRank.Correction * Scale);
}
