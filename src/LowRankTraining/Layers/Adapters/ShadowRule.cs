using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>Trains low-rank factors from the gradient of the whole weight, and keeps the weight merged with them.</summary>
/// <remarks>
/// <para>With G m × n the weight's gradient and W = W₀ + s B A: ∂B = s G Aᵀ and ∂A = s Bᵀ G, as if the factors stood in the graph. Adam moves both, and W +=
/// s (B′A′ − B A), which is one product: s [ΔBᵀ; B] ᵀ [A′; ΔA].</para>
/// <para>State: <c>factors</c>, r × (n + m), A and Bᵀ side by side, drawn at the first step of a cycle; Adam's moments in that shape. A tensor of more than
/// two dimensions is treated as out × rest.</para>
/// <para>Before the factors take over, plain Adam on the weight. A zero or non-finite gradient changes nothing.</para>
/// </remarks>
internal sealed record ShadowRule(AdapterRecipe Recipe) : UpdateRule
{
    private static readonly StateSlot Factors = new("factors");

    public override (double Beta1, double Beta2)? Betas => Recipe.Adam.Betas;

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var completed = step.Step - 1;
        if (!Recipe.Clock.IsActiveAfter(completed))
        {
            Recipe.Adam.AddUpdate(gradient, accumulator, scale, state, step);
            return;
        }

        using var scope = NewDisposeScope();
        var matrix = gradient.AsMatrix();
        var (rows, columns) = (matrix.shape[0], matrix.shape[1]);

        if (!state.TryGet(Factors, out var factors))
            factors = Draw(step.Parameter, matrix, step.Weight, completed);
        var (a, b) = (factors.narrow(1, 0, columns), factors.narrow(1, columns, rows));

        var lowRank = cat([b.mm(matrix), a.mm(matrix.t())], 1).mul_(Recipe.Scale);
        if (!step.Accepts(lowRank, matrix))
            return;

        state.Set(Factors, factors);
        var (direction, correction) = Recipe.Adam.Advance(lowRank, state, step);
        if (Recipe.LearningRateRatio != 1)
            direction.narrow(1, columns, rows).mul_(Recipe.LearningRateRatio);
        var before = factors.clone();
        factors.add_(direction, scale * correction);

        // The change that the factors really made, rounding included, so that the weight does not drift away from W₀ + s B A.
        var change = factors - before;
        var left = cat([change.narrow(1, columns, rows), before.narrow(1, columns, rows)], 0).mul_(Recipe.Scale);
        var right = cat([a, change.narrow(1, 0, columns)], 0);
        Add(accumulator, left.t(), right);
    }

    /// <summary>Starts a new cycle. The weight holds the old factors already.</summary>
    public (long Zeroed, long Total) Restart(string name, Parameter weight, long completed, StateBag state)
    {
        if (!state.TryGet(Factors, out var old))
            return (0, 0);

        var (rank, entries) = (old.shape[0], old.numel());
        var columns = weight.numel() / weight.shape[0];
        state.Remove(Factors);

        if (RankFor(weight, completed) != rank)
        {
            Recipe.Reset.Clear(state, Recipe.Adam);
            return (entries, entries);
        }

        return Recipe.Reset.Apply(state, Recipe.Adam, new TensorKind(weight, [rank, columns + weight.shape[0]]),
        [
            (moment => moment.narrow(1, 0, columns), Recipe.MaskKey(name, LowRankFactors.A, completed)),
            (moment => moment.narrow(1, columns, weight.shape[0]), Recipe.MaskKey(name, LowRankFactors.B, completed)),
        ]);
    }

    /// <summary>Gives the factors the rank that is due. The weight stays as it is: it holds their product already.</summary>
    public void ChangeRank(string name, Parameter weight, long completed, StateBag state)
    {
        if (!state.TryGet(Factors, out var old))
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rows, columns) = (weight.shape[0], weight.numel() / weight.shape[0]);
        var change = RankChange.To(RankFor(weight, completed), old.narrow(1, 0, columns), old.narrow(1, columns, rows).t(), Recipe.GrowthKey(name, completed));

        var kind = new TensorKind(weight, old.shape);
        state.Set(Factors, cat([change.A, change.B.t()], 1));
        change.Release();
        RankChange.Apply(Recipe.OnRankChange, state, Recipe.Adam, kind, Recipe.StepOf(name, "moments", completed), (moment, order) => cat(
            [change.CarryA(moment.narrow(1, 0, columns), order), change.CarryTransposedB(moment.narrow(1, columns, rows), order)], 1));
    }

    public override string LayoutFor(IReadOnlyList<long> shape)
    {
        var limit = shape.ShortSide();
        return $"shadowed factors of rank {Recipe.RankAfter(0, limit)} of {limit}";
    }

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Recipe.Adam.SlotsFor(shape).Append(Factors);

    /// <remarks>At the most: of the warm start and of the factors, which follow it.</remarks>
    public override long BytesFor(IReadOnlyList<long> shape)
    {
        long rank = Recipe.RankAfter(0, shape.ShortSide()), columns = shape.Sides().Columns;
        var factors = StateFormat.Float32.BytesFor(rank * (shape[0] + columns)) + Recipe.Adam.BytesFor([rank, shape[0] + columns]);
        return Math.Max(factors, BytesOfWarmStart(shape));
    }

    /// <summary>What full-rank training takes until the factors take over; 0 where they begin.</summary>
    public long BytesOfWarmStart(IReadOnlyList<long> shape) => Recipe.Clock.WarmStart > 0 ? Recipe.Adam.BytesFor(shape) : 0;

    /// <summary>The factors' start. What of the weight they stand for stays in it: here the weight is always the merged one.</summary>
    private Tensor Draw(string name, Tensor matrix, Tensor? weight, long completed)
    {
        using var scope = NewDisposeScope();
        var whole = Recipe.Init.ChangesBase() ? weight!.detach().AsMatrix() : matrix;
        var (a, b) = FactorStart.FromWeight(Recipe.Init, whole, RankFor(matrix, completed), Recipe.Scale, Recipe.DrawKey(name, completed));
        return cat([a, b.t()], 1).to(matrix.dtype).MoveToOuterDisposeScope();
    }

    private long RankFor(Tensor matrix, long completed) =>
        Recipe.RankAfter(completed, Math.Min(matrix.shape[0], matrix.numel() / matrix.shape[0]));

    private static void Add(Tensor accumulator, Tensor left, Tensor right)
    {
        if (accumulator.dim() == 2)
            accumulator.addmm_(left, right);
        else
            accumulator.add_(left.mm(right).reshape(accumulator.shape));
    }
}
