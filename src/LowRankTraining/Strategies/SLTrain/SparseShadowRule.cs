namespace LowRankTraining.Strategies;

/// <summary>Trains low-rank factors and sparse values from the gradient of the whole weight, and keeps the weight equal to s B A + S.</summary>
/// <remarks>
/// <para>With G m × n the weight's gradient: ∂A = s Bᵀ G, ∂B = s G Aᵀ and ∂v = G on the support, as if the parts stood in the graph. Adam moves all three, and
/// W += s (B′A′ − B A) + S′ − S: one product s [ΔB B] [A′; ΔA], and a scatter.</para>
/// <para>State: <c>parts</c>, r (m + n) + ⌊δ m n⌋ numbers, A, B and v one after the other, drawn at the first step or given before it; <c>indices</c>, where
/// the support is kept by number; Adam's moments in the shape of the parts. A tensor of more than two dimensions is treated as out × rest. A zero or
/// non-finite gradient changes nothing.</para>
/// </remarks>
internal sealed record SparseShadowRule(SparseRecipe Recipe) : PartsRule
{
    private static readonly StateSlot Flat = new("parts"), Indices = new("indices");

    public override (double Beta1, double Beta2)? Betas => Recipe.Adam.Betas;

    protected override StateSlot Parts => Flat;

    protected override Tensor Draw(long rows, long columns, Tensor like, in StepContext step) =>
        Join(Recipe.Fresh(step.Parameter, rows, columns, like.dtype, like.device));

    /// <summary>The gradient of all parts, one after the other.</summary>
    protected override Tensor PartsGradient(Tensor gradient, Tensor parts, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = (gradient.size(0), gradient.size(1));
        var cut = Cut(parts, rows, columns);
        return Join(new(
            SparseLowRank.GradientOfA(gradient, cut.B, Recipe.Scale),
            SparseLowRank.GradientOfB(gradient, cut.A, Recipe.Scale),
            SparseLowRank.OnSupport(gradient, IndicesFor(rows, columns, gradient, state, step)))).MoveToOuterDisposeScope();
    }

    /// <remarks>The support takes entries from all over G, which is formed for that, of one layer, and freed.</remarks>
    protected override Tensor PartsGradient(Tensor delta, Tensor input, Tensor parts, StateBag state, in StepContext step) =>
        PartsGradient(delta.t().mm(input), parts, state, step);

    protected override void Step(Tensor partsGradient, Tensor parts, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var (rows, columns) = accumulator.shape.Sides();
        var indices = IndicesFor(rows, columns, accumulator, state, step);
        if (Recipe.KeepsIndices && !state.TryGet(Indices, out _))
            state.Set(Indices, indices);

        var (direction, correction) = Recipe.Adam.Advance(partsGradient, state, step);
        partsGradient.Dispose();
        var before = parts.clone();
        using (direction)
            parts.add_(direction, scale * correction);
        Add(accumulator, Cut(before, rows, columns), Cut(parts, rows, columns), Cut(parts - before, rows, columns), indices);
    }

    public override string LayoutFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        return $"shadowed factors of rank {Recipe.RankOf(rows, columns)} of {shape.ShortSide()} and {Recipe.SupportOf("", rows, columns).Count} sparse values "
            + $"{Recipe.SupportLayout}";
    }

    public override long NumbersAccumulated(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        return Recipe.RankOf(rows, columns) * (rows + columns) + Recipe.SupportOf("", rows, columns).Count;
    }

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        var numbers = NumbersAccumulated(shape);
        var indices = Indices with { Bytes = Recipe.KeepsIndices ? Recipe.SupportOf("", rows, columns).IndexBytes : 0, IsCoded = true };
        return [.. base.SlotsFor(shape), Flat.Of(numbers), indices, .. Recipe.Adam.SlotsFor([numbers])];
    }

    /// <summary>Begins with parts that are known, one after the other: the weight is theirs already.</summary>
    public void Begin(StateBag state, string name, Tensor weight, Tensor parts)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = weight.shape.Sides();
        state.Set(Flat, parts.to(weight.dtype.Computing(), weight.device, copy: true));
        if (Recipe.KeepsIndices)
            state.Set(Indices, Recipe.SupportOf(name, rows, columns).Indices(weight.device));
    }

    private Tensor IndicesFor(long rows, long columns, Tensor like, StateBag state, in StepContext step) =>
        state.TryGet(Indices, out var known) ? known : Recipe.SupportOf(step.Parameter, rows, columns).Indices(like.device);

    /// <summary>W += s (B′A′ − B A) + S′ − S, by the changes that the parts really made, rounding included, so
    /// that the weight does not drift away from them.</summary>
    private void Add(Tensor weight, in SparseLowRankParts before, in SparseLowRankParts after, in SparseLowRankParts change, Tensor indices)
    {
        var left = cat([change.B, before.B], 1).mul_(Recipe.Scale);
        var right = cat([after.A, change.A], 0);
        AddProduct(weight, left, right);
        SparseLowRank.AddOnSupport(weight, indices, change.Values);
    }

    /// <summary>A, B and v, one after the other.</summary>
    public static Tensor Join(in SparseLowRankParts parts) => cat([parts.A.reshape(-1), parts.B.reshape(-1), parts.Values], 0);

    private SparseLowRankParts Cut(Tensor flat, long rows, long columns)
    {
        var rank = Recipe.RankOf(rows, columns);
        var (a, b) = (rank * columns, rows * rank);
        return new(flat.narrow(0, 0, a).view(rank, columns), flat.narrow(0, a, b).view(rows, rank), flat.narrow(0, a + b, flat.shape[0] - a - b));
    }
}
