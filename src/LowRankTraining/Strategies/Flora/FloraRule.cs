namespace LowRankTraining.Strategies;

/// <summary>Flora: Adafactor whose momentum is kept as a random sketch.</summary>
/// <remarks>
/// <para>U = G / √V, as in <see cref="AdafactorRule"/>, from the whole gradient. For a tall or square m × n matrix, with B of n × r, entries N(0, 1/r):
/// the update is β₁ C Bᵀ + (1 − β₁) U, its root mean square cut to the threshold, times ρ; then C ← β₁C + (1 − β₁) U B. From the left for a wide one.
/// Every κ updates B is drawn again and C ← (C B_oldᵀ) B_new.</para>
/// <para>State: <c>exp_avg</c>, l × r with l the long side, and Adafactor's averages of rows and columns. B is never stored: it is drawn from a key of seed,
/// parameter and the period's first update.
/// Scratch: one tensor of the gradient's shape, and B.</para>
/// <para>A matrix whose short side is not above the rank, or that is longer than <see cref="MaxAspectRatio"/>, keeps its momentum whole, as does a vector. A
/// tensor of more than two dimensions is treated as out × rest.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Hao, Cao and Mou, Flora, arXiv 2402.03293, algorithm 2.</para>
/// </remarks>
internal sealed record FloraRule : UpdateRule
{
    /// <value>r, columns of the sketch; at least 1.</value>
    public required int Rank { get; init; }

    /// <value>κ, updates between two sketches; at least 1. Default 1000 (Flora).</value>
    public long ResampleEvery { get; init; } = 1000;

    /// <value>Longest shape whose momentum is sketched, as long side over short side; at least 1. Default: any.</value>
    public double MaxAspectRatio { get; init; } = double.PositiveInfinity;

    /// <value>The rule around the sketch; its β₁ is the momentum's.</value>
    public AdafactorRule Adafactor { get; init; } = new() { Beta1 = 0.9, ScaleParameter = true };

    /// <value>Draws B, short side × r. Default: normal numbers of variance 1/r (Flora).</value>
    public IDrawnBasis Basis { get; init; } = new GaussianBasis();

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        using var scope = NewDisposeScope();
        var rate = Adafactor.RateOf(step, state);
        var t = state.Advance(AdamRule.Clock);
        var matrix = gradient.dim() > 2 ? gradient.AsMatrix() : gradient;

        var update = Adafactor.Square.Normalize(matrix, t, state);
        if (IsSketched(matrix.shape))
            AverageSketched(update, t, state, step);
        else if (Adafactor.Beta1 > 0)
            Adafactor.Average(update, state, step);

        FactoredSquare.Clip(update, Adafactor.ClipThreshold);
        if (rate is not null)
            update.mul_(rate);
        accumulator.add_(update.reshape(gradient.shape), scale);
    }

    public override Tensor? RelativeRate(Tensor weight, StateBag state) => Adafactor.RelativeRate(weight, state);

    public override FloraRule WithStates(StateFormat states) => this with { Adafactor = Adafactor.WithStates(states) };

    public override string LayoutFor(IReadOnlyList<long> shape) =>
        IsSketched(shape)
            ? $"{nameof(FloraRule)} (exp_avg {Adafactor.States} in a sketch of {Rank} by {Basis.GetType().Name}, drawn again every {ResampleEvery})"
            : Adafactor.LayoutFor(shape);

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape)
    {
        if (!IsSketched(shape))
            return Adafactor.SlotsFor(shape);

        var (rows, columns) = shape.Sides();
        return [.. FactoredSquare.SlotsFor(shape), .. Adafactor.First.SlotsFor([Math.Max(rows, columns), Rank]), new(AdamRule.Clock)];
    }

    private bool IsSketched(IReadOnlyList<long> shape)
    {
        if (shape.Count < 2 || Adafactor.Beta1 == 0)
            return false;

        var (rows, columns) = shape.Sides();
        var (shorter, longer) = (Math.Min(rows, columns), Math.Max(rows, columns));
        return shorter > Rank && longer <= MaxAspectRatio * shorter;
    }

    private void AverageSketched(Tensor update, long t, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var beta1 = Adafactor.Beta1;
        var current = Sketch(update, t / ResampleEvery, step);
        var isNew = t == 1 || t % ResampleEvery == 0;
        var before = isNew && t > 1 ? Sketch(update, (t - 1) / ResampleEvery, step) : current;

        var fresh = current.Project(update);
        var mean = Adafactor.First.Read(state, fresh);

        update.mul_(1 - beta1);
        before.AddBack(update, mean.mul(beta1), 1);

        if (isNew)
        {
            mean.copy_(Turn(mean, before, current));
            step.Counters?.Refresh();
        }

        mean.mul_(beta1).add_(fresh, 1 - beta1);
        Adafactor.First.Write(state, mean, step);
    }

    /// <summary>Decompresses with one matrix and compresses with another, by way of their r × r overlap.</summary>
    private static Tensor Turn(Tensor sketch, Projection from, Projection to)
    {
        var (before, after) = (from.First.Kept, to.First.Kept);
        return from.RankAxis == 0 ? after.t().mm(before).mm(sketch) : sketch.mm(before.t().mm(after));
    }

    private Projection Sketch(Tensor update, long period, in StepContext step)
    {
        var (rows, columns) = (update.shape[0], update.shape[1]);
        var matrix = Basis.Draw(update, Math.Min(rows, columns), Rank, step with { Step = Math.Max(1, period * ResampleEvery) });
        return rows >= columns ? Projection.Of(null, matrix) : Projection.Of(matrix, null);
    }
}
