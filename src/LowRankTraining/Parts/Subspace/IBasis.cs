using System.Runtime.CompilerServices;

namespace LowRankTraining.Parts;

/// <summary>How the subspace is found.</summary>
public interface IBasis : IPart
{
    /// <value>Whether the columns are orthonormal: what lifts with a residual need. Default true.</value>
    bool IsOrthonormal => true;

    /// <value>Whether <see cref="Find"/> may return fewer columns than it is asked for. Default false.</value>
    bool IsAdaptive => false;

    /// <value>Whether anything is kept between refreshes. Default true.</value>
    bool IsStored => true;

    /// <value>Whether <see cref="Find"/> returns the columns themselves. Default true.</value>
    bool GivesColumns => true;

    /// <value>The share of the matrix's energy that a subspace captures when it is found, where the rank is chosen by it; null where it is not. Default:
    /// null.</value>
    double? CapturedShare => null;

    /// <value>A basis that this one asks for columns; null where there is none. Default: null.</value>
    IBasis? Within => null;

    /// <summary>The largest rank for an s × l matrix. Default: its short side, since what is found from a matrix spans no more.</summary>
    /// <param name="length">s.</param>
    /// <param name="width">l.</param>
    long LimitFor(long length, long width) => Math.Min(length, width);

    /// <summary>A subspace that captures, exactly or nearly, what matters of a matrix.</summary>
    /// <param name="query">The matrix, the rank, and what is known already.</param>
    /// <returns>s × rank columns in the matrix's dtype. Where signs are free they should be fixed (<see cref="Numerics.Orthonormal.WithCanonicalSigns"/>), so
    /// that runs agree between machines.</returns>
    Tensor Find(in SubspaceQuery query);

    /// <summary>Bytes of what is kept.</summary>
    long BytesFor(long length, long rank, StateFormat format) => format.BytesFor(length * rank);

    /// <summary>How many numbers <see cref="Find"/> looks at, where products of the matrix are all that it does; null where it looks at the matrix itself.
    /// Default: null.</summary>
    /// <param name="length">s.</param>
    /// <param name="width">l.</param>
    /// <param name="rank">Number of columns.</param>
    /// <param name="previousRank">That of the columns in use; null where there are none.</param>
    internal long? NumbersSeen(long length, long width, long rank, long? previousRank) => null;

    /// <value>Whether columns that were found from the gradient are kept, so that they can be moved, gone on from, and stored in a short format.</value>
    internal bool KeepsColumns => IsStored && GivesColumns;

    /// <value>Whether columns are found from a sketch of the gradient of the update before a refresh. Default false.</value>
    internal bool GoesAhead => false;

    /// <summary>All that is kept of it.</summary>
    internal IEnumerable<StateSlot> SlotsFor(BasisSlot slot, long length, long rank, StateFormat format)
    {
        var columns = slot.Name with { Bytes = BytesFor(length, rank, format), IsCoded = !GivesColumns || !format.IsExact(length * rank) };
        return [.. format.SlotsFor(slot.Name, 0).Skip(1), columns, slot.Rank, slot.Drawn];
    }

    /// <summary>The basis in use.</summary>
    internal BasisColumns Open(BasisSlot slot, StateFormat format, Tensor like, long length, StateBag state, in StepContext step)
    {
        var columns = slot.In(format).Read(state, new TensorKind(like, [length, state.Counter(slot.Rank)]));
        return new DenseColumns(columns, state.TransposeOf(slot.Name, columns));
    }

    /// <summary>Finds a basis and keeps it.</summary>
    internal void Renew(BasisSlot slot, StateFormat format, in SubspaceQuery query, StateBag state)
    {
        var found = Find(query with { Step = slot.Keyed(query.Step) });
        Keep(slot, format, found, state, query.Step);
        state.SetCounter(slot.Rank, found.shape[^1]);
    }

    internal void Keep(BasisSlot slot, StateFormat format, Tensor found, StateBag state, in StepContext step) => slot.In(format).Write(state, found, step);
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
    bool IBasis.IsStored => false;

    /// <inheritdoc/>
    long IBasis.LimitFor(long length, long width) => length;

    long? IBasis.NumbersSeen(long length, long width, long rank, long? previousRank) => 0;

    /// <inheritdoc/>
    Tensor IBasis.Find(in SubspaceQuery query) => Draw(query.Matrix, query.Matrix.shape[0], query.Rank, query.Step);

    /// <inheritdoc/>
    long IBasis.BytesFor(long length, long rank, StateFormat format) => 0;

    BasisColumns IBasis.Open(BasisSlot slot, StateFormat format, Tensor like, long length, StateBag state, in StepContext step) =>
        new DenseColumns(Draw(like, length, state.Counter(slot.Rank), slot.Keyed(step) with { Step = state.Counter(slot.Drawn) }));

    void IBasis.Renew(BasisSlot slot, StateFormat format, in SubspaceQuery query, StateBag state)
    {
        state.SetCounter(slot.Drawn, query.Step.Step);
        state.SetCounter(slot.Rank, query.Rank);
    }
}

/// <summary>A basis that picks columns of a fixed matrix: <see cref="IBasis.Find"/> returns their numbers, a vector of int64, and only these are
/// stored.</summary>
public interface ISelectedBasis : IBasis
{
    /// <summary>The columns, s × rank; or the numbers themselves, where the columns are those of the identity. Default: the numbers.</summary>
    /// <param name="numbers">What <see cref="IBasis.Find"/> returned.</param>
    /// <param name="length">s.</param>
    /// <param name="dtype">Dtype of the columns.</param>
    Tensor Columns(Tensor numbers, long length, ScalarType dtype) => numbers;

    /// <inheritdoc/>
    bool IBasis.GivesColumns => false;

    /// <inheritdoc/>
    long IBasis.LimitFor(long length, long width) => length;

    /// <inheritdoc/>
    long IBasis.BytesFor(long length, long rank, StateFormat format) => sizeof(long) * rank;

    BasisColumns IBasis.Open(BasisSlot slot, StateFormat format, Tensor like, long length, StateBag state, in StepContext step) =>
        BasisColumns.Of(Columns(state[slot.Name], length, like.dtype));

    void IBasis.Keep(BasisSlot slot, StateFormat format, Tensor found, StateBag state, in StepContext step) => state.Set(slot.Name, found);
}

/// <summary>What a basis is found from.</summary>
/// <param name="Matrix">A, s × l: the gradient, or its transpose where columns are compressed. Finite and not zero.</param>
/// <param name="Rank">Number of columns, at most <see cref="IBasis.LimitFor"/>.</param>
/// <param name="Previous">The columns in use so far; null the first time.</param>
/// <param name="Step">Keys the randomness.</param>
public readonly record struct SubspaceQuery(Tensor Matrix, long Rank, Tensor? Previous, StepContext Step)
{
    /// <value>Reads M̂, the bias-corrected first moment in the previous subspace, rank × l; null where there is none.</value>
    public Func<Tensor>? Momentum { get; init; }

    /// <value>A as a sum whose addends are in different places, <see cref="Matrix"/> being zeros of its shape; null where that is A.</value>
    internal LinearOperator? Sum { get; init; }

    /// <value>A, by its products.</value>
    internal LinearOperator Operator => Sum ?? new DenseOperator(Matrix);
}

/// <summary>Where one basis of a parameter is kept: its name, and those of its counters.</summary>
internal sealed class BasisSlot
{
    private readonly string _part;

    private BasisSlot(string name, string part) => (Name, Rank, Drawn, _part) = (new(name), new(name + "_rank"), new(name + "_drawn"), part);

    /// <value>The basis of a projection of one side.</value>
    public static BasisSlot Only { get; } = new("basis", "");

    /// <value>P of a projection of both sides.</value>
    public static BasisSlot Left { get; } = new("basis_left", "/basis_left");

    /// <value>Q of a projection of both sides.</value>
    public static BasisSlot Right { get; } = new("basis_right", "/basis_right");

    /// <value>What is kept of the basis.</value>
    public StateSlot Name { get; }

    /// <value>Counter: how many columns there are.</value>
    public StateSlot Rank { get; }

    /// <value>Counter: the step in which a drawn basis was drawn first.</value>
    public StateSlot Drawn { get; }

    /// <summary>The basis in a format.</summary>
    public MomentSlot In(StateFormat format) => new(Name, 0) { Format = format };

    /// <summary>Two bases of one parameter draw different numbers: with equal ones, rows and columns of a square matrix would get the same subspace.</summary>
    public StepContext Keyed(in StepContext step) => _part.Length == 0 ? step : step with { Part = _part };
}

/// <summary>Checks of bases that ask others for columns.</summary>
internal static class BasisChecks
{
    /// <summary>A basis that another one goes on from.</summary>
    public static Checks GoesOnFrom(this Checks checks, IBasis outer, IBasis? inner, [CallerArgumentExpression(nameof(inner))] string option = "")
    {
        checks.Part(inner, option);
        return inner is not null && ObjectionTo(inner, outer) is { } objection ? checks.Require(false, objection) : checks;
    }

    /// <summary>Why one basis cannot go on from another, in a sentence that says what to do; null where it can.</summary>
    public static string? ObjectionTo(IBasis inner, IBasis outer) => !inner.GivesColumns || !inner.IsOrthonormal || (inner.IsAdaptive && !outer.IsAdaptive)
        ? $"{outer.GetType().Name} goes on from orthonormal columns of a fixed number, which {inner.GetType().Name} does not give: " +
          "take a basis that does, such as RandomizedSvdBasis."
        : null;
}
