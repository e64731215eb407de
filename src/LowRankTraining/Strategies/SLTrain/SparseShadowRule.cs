using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Trains low-rank factors and sparse values from the gradient of the whole weight, and keeps the weight equal to s B A + S.</summary>
/// <remarks>
/// <para>With G m × n the weight's gradient: ∂A = s Bᵀ G, ∂B = s G Aᵀ and ∂v = G on the support, as if the parts stood in the graph. Adam moves all three, and
/// W += s (B′A′ − B A) + S′ − S: one product s [ΔB B] [A′; ΔA], and a scatter.</para>
/// <para>State: <c>parts</c>, r (m + n) + ⌊δ m n⌋ numbers, A, B and v one after the other, drawn at the first step or given before it; <c>indices</c>, where
/// the support is kept by number; Adam's moments in the shape of the parts. A tensor of more than two dimensions is treated as out × rest. A zero or
/// non-finite gradient changes nothing.</para>
/// </remarks>
internal sealed record SparseShadowRule(SparseRecipe Recipe) : UpdateRule
{
    private static readonly StateSlot Parts = new("parts"), Indices = new("indices");

    public override (double Beta1, double Beta2)? Betas => Recipe.Adam.Betas;

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var matrix = gradient.AsMatrix();
        var (rows, columns) = (matrix.shape[0], matrix.shape[1]);
        var support = Recipe.SupportOf(step.Parameter, rows, columns);

        var isFirst = !state.TryGet(Parts, out var flat);
        if (isFirst)
            flat = Join(Recipe.Fresh(step.Parameter, rows, columns, matrix.dtype, matrix.device));
        if (!state.TryGet(Indices, out var indices))
            indices = support.Indices(matrix.device);

        var parts = Cut(flat!, rows, columns);
        var slope = Slope(matrix, parts, indices);
        if (!step.Accepts(slope, matrix))
            return;

        if (isFirst)
            Save(state, flat!, indices);

        var (direction, correction) = Recipe.Adam.Advance(slope, state, step);
        slope.Dispose();
        var before = flat!.clone();
        using (direction)
            flat.add_(direction, scale * correction);
        Add(accumulator, Cut(before, rows, columns), parts, Cut(flat - before, rows, columns), indices);
    }

    public override string LayoutFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        return $"shadowed factors of rank {Recipe.RankOf(rows, columns)} of {shape.ShortSide()} and {Recipe.SupportOf("", rows, columns).Count} sparse values "
            + $"{SparseReport.SupportOf(Recipe)}";
    }

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        var support = Recipe.SupportOf("", rows, columns);
        var numbers = Recipe.RankOf(rows, columns) * (rows + columns) + support.Count;
        var indices = Indices with { Bytes = Recipe.Storage == SupportStorage.Indices ? support.IndexBytes : 0 };
        return [Parts.Of(numbers), indices, .. Recipe.Adam.SlotsFor([numbers])];
    }

    /// <summary>Begins with parts that are known, one after the other: the weight is theirs already.</summary>
    public void Begin(StateBag state, string name, Tensor weight, Tensor parts)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = weight.shape.Sides();
        Save(state, parts.to(weight.dtype.Computing(), weight.device, copy: true), Recipe.SupportOf(name, rows, columns).Indices(weight.device));
    }

    /// <summary>The gradient of all parts, one after the other.</summary>
    private Tensor Slope(Tensor gradient, in SparseLowRankParts parts, Tensor indices)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (SparseLowRank.GradientOfA(gradient, parts.B, Recipe.Scale), SparseLowRank.GradientOfB(gradient, parts.A, Recipe.Scale));
        return Join(new(a, b, SparseLowRank.OnSupport(gradient, indices))).MoveToOuterDisposeScope();
    }

    private void Save(StateBag state, Tensor flat, Tensor indices)
    {
        state.Set(Parts, flat);
        if (Recipe.Storage == SupportStorage.Indices)
            state.Set(Indices, indices);
    }

    /// <summary>W += s (B′A′ − B A) + S′ − S, by the changes that the parts really made, rounding included, so
    /// that the weight does not drift away from them.</summary>
    private void Add(Tensor weight, in SparseLowRankParts before, in SparseLowRankParts after, in SparseLowRankParts change, Tensor indices)
    {
        var left = cat([change.B, before.B], 1).mul_(Recipe.Scale);
        var right = cat([after.A, change.A], 0);
        if (weight.dim() == 2)
            weight.addmm_(left, right);
        else
            weight.add_(left.mm(right).reshape(weight.shape));
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
