using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

/// <summary>How the subspace is found.</summary>
public interface IBasis : IPart
{
    /// <value>Whether the columns are orthonormal: what lifts with a residual need. Default true.</value>
    bool IsOrthonormal => true;

    /// <value>Whether <see cref="Find"/> may return fewer columns than it is asked for. Default false.</value>
    bool IsAdaptive => false;

    /// <value>A basis that this one asks for columns; null where there is none. Default: null.</value>
    IBasis? Within => null;

    /// <summary>A subspace that captures, exactly or nearly, what matters of a matrix.</summary>
    /// <param name="query">The matrix, the rank, and what is known already.</param>
    /// <returns>What is kept between refreshes: s × rank columns in the matrix's dtype, or anything that <see cref="Columns"/> makes them from.
    /// Where signs are free they should be fixed (<see cref="Numerics.Orthonormal.WithCanonicalSigns"/>), so that runs agree between machines.</returns>
    Tensor Find(in SubspaceQuery query);

    /// <summary>The columns, s × rank, made from what is kept; or a vector of rank row numbers (int64), where the columns are those of the identity.</summary>
    /// <param name="kept">What <see cref="Find"/> returned.</param>
    /// <param name="length">s.</param>
    /// <param name="dtype">Dtype of the columns.</param>
    Tensor Columns(Tensor kept, long length, ScalarType dtype) => kept;

    /// <summary>Bytes of what is kept.</summary>
    long BytesFor(long length, long rank, StateFormat format) => format.BytesFor(length * rank);
}

/// <summary>A basis that does not depend on the gradient: it is drawn again whenever it is used, always the same until
/// the next refresh, and nothing of it is stored.</summary>
public interface IDrawnBasis : IBasis
{
    /// <summary>Draws the columns.</summary>
    /// <param name="like">Gives dtype and device.</param>
    /// <param name="length">s.</param>
    /// <param name="rank">Number of columns.</param>
    /// <param name="step">The step of the last refresh: it keys the randomness.</param>
    Tensor Draw(Tensor like, long length, long rank, in StepContext step);

    /// <inheritdoc/>
    Tensor IBasis.Find(in SubspaceQuery query) => Draw(query.Matrix, query.Matrix.shape[0], query.Rank, query.Step);

    /// <inheritdoc/>
    long IBasis.BytesFor(long length, long rank, StateFormat format) => 0;
}

/// <summary>A basis that picks columns of a fixed matrix: only their numbers are stored.</summary>
public interface ISelectedBasis : IBasis
{
    /// <inheritdoc/>
    long IBasis.BytesFor(long length, long rank, StateFormat format) => sizeof(long) * rank;
}

/// <summary>What a basis is found from.</summary>
/// <param name="Matrix">A, s × l: the gradient, or its transpose where columns are compressed. Finite and not zero.</param>
/// <param name="Rank">Number of columns, at most s unless the basis is drawn.</param>
/// <param name="Previous">The columns in use so far; null the first time.</param>
/// <param name="Step">Keys the randomness.</param>
public readonly record struct SubspaceQuery(Tensor Matrix, long Rank, Tensor? Previous, StepContext Step)
{
    /// <value>Reads M̂, the bias-corrected first moment in the previous subspace, rank × l; null where there is none.</value>
    public Func<Tensor>? Momentum { get; init; }
}
