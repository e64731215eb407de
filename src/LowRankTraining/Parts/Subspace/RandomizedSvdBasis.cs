namespace LowRankTraining.Parts;

/// <summary>The leading left singular vectors, nearly, from a random sketch: what GaLore 2 uses.</summary>
/// <remarks>
/// <para>Y = A Ω with Gaussian Ω of k = min(s, rank + p) columns; q times Y ← A (Aᵀ Y), orthonormalized in between; then the k × k eigenproblem of
/// (QᵀA)(QᵀA)ᵀ orders and cuts. (4 + 4q) s l k operations, all of them products. Where the sketch would be as wide as the short side, the eigenvectors of A
/// Aᵀ are taken instead.</para>
/// <para>Source: Halko, Martinsson and Tropp, SIAM Review 53 (2011), algorithms 4.4 and 5.1; GaLore 2, arXiv 2504.20437.</para>
/// </remarks>
public sealed record RandomizedSvdBasis : IBasis
{
    /// <summary>Where any gap between singular values has become visible.</summary>
    private const int MostIterations = 100;

    /// <value>p, extra columns of the sketch, at least 0. Default 8 (Halko et al. advise 5 to 10).</value>
    public int Oversampling { get; init; } = 8;

    /// <value>q, passes of power iteration, from 0 to 100. Default 1.</value>
    public int PowerIterations { get; init; } = 1;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(0, Oversampling)
        .Between(0, MostIterations, PowerIterations);

    /// <summary>A Ω; AᵀQ and A times that for each pass; QᵀA.</summary>
    long? IBasis.NumbersSeen(long length, long width, long rank, long? previousRank) =>
        WidthFor(length, rank) is var sketch && sketch < length ? (1 + PowerIterations) * sketch * (length + width) : null;

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        var width = WidthFor(query.Matrix.shape[0], query.Rank);
        if (width == query.Matrix.shape[0])
            return new GramBasis().Find(query);

        using var scope = NewDisposeScope();
        return Orthonormal.WithCanonicalSigns(FromSketch(query.Operator, query.Rank, width, query.Step)).MoveToOuterDisposeScope();
    }

    private long WidthFor(long length, long rank) => Math.Min(length, rank + Oversampling);

    private Tensor FromSketch(LinearOperator matrix, long rank, long width, in StepContext step)
    {
        using var generator = step.Generator("sketch");
        var range = SubspaceIteration.Range(matrix, width, generator, PowerIterations);
        return range.mm(GramBasis.LeadingEigenvectors(SquaredCore(matrix, range), rank));
    }

    /// <summary>(QᵀA)(QᵀA)ᵀ, after which QᵀA is gone.</summary>
    private static Tensor SquaredCore(LinearOperator matrix, Tensor range)
    {
        using var core = matrix.Within(range);
        return core.mm(core.t());
    }
}
