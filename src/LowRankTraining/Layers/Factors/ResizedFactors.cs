namespace LowRankTraining.Layers;

/// <summary>Factors of another rank with the same product, but for what is to be merged into the weight. Its tensors belong to the dispose scope that it is
/// made in.</summary>
/// <remarks>
/// <para>Falling: <see cref="RankReduction"/>. Growing: A gets rows drawn like the first ones, B gets columns of zeros, and nothing is to be merged.</para>
/// <para>Moments of A (r × n) and of Bᵀ (r × m) follow by r′ × r matrices: see <see cref="ReducedFactors"/>.</para>
/// </remarks>
internal sealed record ResizedFactors
{
    /// <value>What keys the rows that A gets when its rank grows.</value>
    public const string NewRows = $"new rows of {LowRankFactors.A}";

    private readonly Tensor _mapForA, _mapForB;

    private ResizedFactors(Tensor mapForA, Tensor mapForB) => (_mapForA, _mapForB) = (mapForA, mapForB);

    /// <value>A′, r′ × n.</value>
    public required Tensor A { get; init; }

    /// <value>B′, m × r′.</value>
    public required Tensor B { get; init; }

    /// <value>What the weight takes over, or null.</value>
    public (Tensor A, Tensor B)? Dropped { get; private init; }

    /// <summary>Factors of the wanted rank, other than the one that they have.</summary>
    public static ResizedFactors To(long rank, Tensor a, Tensor b, ulong key) => rank < a.shape[0] ? Falling(rank, a, b) : Growing(rank, a, b, key);

    /// <summary>The moment of A, r × n, for A′.</summary>
    public Tensor CarryA(Tensor moment, int order) => Map(_mapForA, order).mm(moment);

    /// <summary>The moment of Bᵀ, r × m, for B′ᵀ.</summary>
    public Tensor CarryTransposedB(Tensor moment, int order) => Map(_mapForB, order).mm(moment);

    /// <summary>Frees everything but what moments follow by.</summary>
    public void Release()
    {
        A.Dispose();
        B.Dispose();
        Dropped?.A.Dispose();
        Dropped?.B.Dispose();
    }

    /// <summary>Carries a state over, or clears it.</summary>
    public static void Apply(bool resets, StateBag state, AdamRule adam, in TensorKind kind, in StepContext step, Func<Tensor, int, Tensor> carry)
    {
        if (resets)
        {
            adam.Reset(state);
            return;
        }

        foreach (var slot in adam.Moments)
            slot.Change(state, kind, step, moment => carry(moment, slot.Order));
    }

    private static ResizedFactors Falling(long rank, Tensor a, Tensor b)
    {
        var reduced = RankReduction.Reduce(a, b, rank);
        return new ResizedFactors(reduced.MapOfB, reduced.MapOfA) { A = reduced.A, B = reduced.B, Dropped = (reduced.DroppedA, reduced.DroppedB) };
    }

    private static ResizedFactors Growing(long rank, Tensor a, Tensor b, ulong key)
    {
        var (old, precise) = (a.shape[0], a.dtype.Computing());
        var map = eye(rank, old, precise, a.device);
        return new ResizedFactors(map, map)
        {
            A = cat([a, UniformRows.Draw(rank - old, a.shape[1], a.dtype, a.device, key)], 0),
            B = cat([b, zeros(b.shape[0], rank - old, b.dtype, b.device)], 1),
        };
    }

    /// <summary>Of a row that nothing is carried to, the second moment is the mean of the old ones.</summary>
    private static Tensor Map(Tensor map, int order)
    {
        if (order != 2)
            return map;

        var squares = map.square();
        return where(squares.sum(1, keepdim: true).eq(0), full_like(squares, 1.0 / squares.shape[1]), squares);
    }
}
