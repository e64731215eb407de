namespace LowRankTraining.Layers;

/// <summary>Trains low-rank factors from the gradient of the whole weight, and keeps the weight merged with them.</summary>
/// <remarks>
/// <para>With G m × n the weight's gradient and W = W₀ + s B A: ∂B = s G Aᵀ and ∂A = s Bᵀ G, as if the factors stood in the graph. Adam moves both, and W +=
/// s (B′A′ − B A), which is one product: s [ΔBᵀ; B] ᵀ [A′; ΔA].</para>
/// <para>State: <c>factors</c>, r × (n + m), A and Bᵀ side by side, drawn at the first step of a cycle; Adam's moments in that shape. A tensor of more than
/// two dimensions is treated as out × rest.</para>
/// <para>Before the factors take over, plain Adam on the weight. A zero or non-finite gradient changes nothing.</para>
/// </remarks>
internal sealed record ShadowRule(FactorSettings Settings) : PartsRule
{
    private static readonly StateSlot Factors = new("factors");

    public override (double Beta1, double Beta2)? Betas => Settings.Adam.Betas;

    protected override StateSlot Parts => Factors;

    protected override bool TrainsParts(in StepContext step) => Settings.IsActiveAfter(step.Step - 1);

    protected override void AddFullRank(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step) =>
        Settings.Adam.AddUpdate(gradient, accumulator, scale, state, step);

    protected override Tensor? Draw(long rows, long columns, Tensor like, in StepContext step) =>
        Settings.StartAfter(step.Step - 1).ChangesBase && step.Weight is null
            ? null
            : Draw(step.Parameter, Shapes.Placeholder(rows, columns, like.dtype, like.device), step.Weight, step.Step - 1);

    /// <summary>s [Bᵀ G, A Gᵀ].</summary>
    protected override Tensor PartsGradient(Tensor gradient, Tensor parts, StateBag state, in StepContext step)
    {
        var (a, b) = Cut(parts, gradient.size(1), gradient.size(0));
        return cat([b.mm(gradient), a.mm(gradient.t())], 1).mul_(Settings.Scale);
    }

    /// <summary>s [(δ B)ᵀ x, (x Aᵀ)ᵀ δ].</summary>
    protected override Tensor PartsGradient(Tensor delta, Tensor input, Tensor parts, StateBag state, in StepContext step)
    {
        var (a, b) = Cut(parts, input.size(1), delta.size(1));
        return cat([delta.mm(b.t()).t().mm(input), input.mm(a.t()).t().mm(delta)], 1).mul_(Settings.Scale);
    }

    protected override void Step(Tensor partsGradient, Tensor parts, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var (rows, columns) = accumulator.shape.Sides();
        var (direction, correction) = Settings.Adam.Advance(partsGradient, state, step);
        if (Settings.LearningRateRatio != 1)
            Cut(direction, columns, rows).TransposedB.mul_(Settings.LearningRateRatio);
        var before = parts.clone();
        parts.add_(direction, scale * correction);

        // The change that the factors really made, rounding included, so that the weight does not drift away from W₀ + s B A.
        var (old, now, change) = (Cut(before, columns, rows), Cut(parts, columns, rows), Cut(parts - before, columns, rows));
        var left = cat([change.TransposedB, old.TransposedB], 0).mul_(Settings.Scale);
        AddProduct(accumulator, left.t(), cat([now.A, change.A], 0));
    }

    /// <summary>The factors, or those that the first step will begin with; null where they have started from a part of the weight, which is in it
    /// again.</summary>
    public FactorSet? FactorsIn(StateBag? state, string name, Parameter weight)
    {
        if (Settings.Start.ChangesBase)
            return null;
        using var guard = no_grad();
        var (rows, columns) = weight.shape.Sides();
        var factors = state is not null && state.TryGet(Factors, out var known)
            ? known
            : Draw(name, weight.detach().AsMatrix().Widened(), weight, completed: 0);
        var (a, b) = Cut(factors, columns, rows);
        return new(name, a, b.t(), Settings.Scale)
        {
            Base = weight,
            IsShadowed = true,
            Put = state is null ? null : (newA, newB) => Put(newA, newB, factors, weight, state),
        };
    }

    /// <summary>Puts others in the place of the factors, in the weight too: W + s (B′A′ − B A).</summary>
    private void Put(Tensor a, Tensor b, Tensor before, Parameter weight, StateBag state)
    {
        using var scope = NewDisposeScope();
        var after = cat([a, b.t()], 1).to(before.dtype);
        var change = (Product(after) - Product(before)).mul_(Settings.Scale);
        weight.copy_(weight.to(change.dtype).add(change.reshape(weight.shape)));
        state.Set(Factors, after);

        Tensor Product(Tensor factors)
        {
            var (right, transposedLeft) = Cut(factors, a.shape[1], b.shape[0]);
            return transposedLeft.t().mm(right);
        }
    }

    /// <summary>Starts a new cycle. The weight holds the old factors already.</summary>
    public void Restart(string name, Parameter weight, long completed, MomentReset reset, StateBag state)
    {
        if (!state.TryGet(Factors, out var old))
            return;

        var (rank, entries) = (old.shape[0], old.numel());
        var (rows, columns) = weight.shape.Sides();
        state.Remove(Factors);

        if (RankFor(weight, completed) != rank)
        {
            reset.Clear(state, Settings.Adam, entries);
            return;
        }

        reset.Apply(state, Settings.Adam, new TensorKind(weight, [rank, columns + rows]),
        [
            (moment => Cut(moment, columns, rows).A, Settings.Key(name, $"reset {LowRankFactors.A}", completed)),
            (moment => Cut(moment, columns, rows).TransposedB, Settings.Key(name, $"reset {LowRankFactors.B}", completed)),
        ]);
    }

    /// <summary>Gives the factors the rank that is due. The weight stays as it is: it holds their product already.</summary>
    public void ChangeRank(string name, Parameter weight, long completed, bool resets, StateBag state)
    {
        if (!state.TryGet(Factors, out var old))
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rows, columns) = weight.shape.Sides();
        var (a, b) = Cut(old, columns, rows);
        var change = ResizedFactors.To(RankFor(weight, completed), a, b.t(), Settings.Key(name, ResizedFactors.NewRows, completed));

        var kind = new TensorKind(weight, old.shape);
        state.Set(Factors, cat([change.A, change.B.t()], 1));
        change.Release();
        ResizedFactors.Apply(resets, state, Settings.Adam, kind, Settings.StepOf(name, "moments", completed), (moment, order) =>
        {
            var (ofA, ofB) = Cut(moment, columns, rows);
            return cat([change.CarryA(ofA, order), change.CarryTransposedB(ofB, order)], 1);
        });
    }

    public override string LayoutFor(IReadOnlyList<long> shape)
    {
        var limit = shape.ShortSide();
        return $"shadowed factors of rank {Settings.RankAfter(0, limit)} of {limit}";
    }

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => [.. base.SlotsFor(shape), .. Settings.Adam.SlotsFor(shape), Factors];

    public override long NumbersAccumulated(IReadOnlyList<long> shape) => PartsShape(shape).Elements();

    /// <remarks>At the most: of the warm start and of the factors, which follow it.</remarks>
    public override long BytesFor(IReadOnlyList<long> shape) => BytesFor(shape, ScalarType.Float32);

    internal override long BytesFor(IReadOnlyList<long> shape, ScalarType dtype)
    {
        var parts = PartsShape(shape);
        var factors = Factors.Of(parts.Elements()).BytesFor(dtype) + Settings.Adam.BytesFor(parts, dtype);
        return Math.Max(factors, BytesOfWarmStart(shape, dtype));
    }

    /// <summary>What full-rank training takes until the factors take over; 0 where they begin.</summary>
    public long BytesOfWarmStart(IReadOnlyList<long> shape, ScalarType dtype) => !Settings.IsActiveAtOnce ? Settings.Adam.BytesFor(shape, dtype) : 0;

    /// <summary>The factors' start. What of the weight they stand for stays in it: here the weight is always the merged one.</summary>
    private Tensor Draw(string name, Tensor matrix, Tensor? weight, long completed)
    {
        using var scope = NewDisposeScope();
        var start = Settings.StartAfter(completed);
        var whole = start.ChangesBase ? weight!.detach().AsMatrix() : matrix;
        var (a, b) = start.FromWeight(whole, RankFor(matrix, completed), Settings.Scale, Settings.DrawKey(name, completed));
        return cat([a, b.t()], 1).to(matrix.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>A, r × n, and Bᵀ, r × m.</summary>
    private static (Tensor A, Tensor TransposedB) Cut(Tensor factors, long columns, long rows) =>
        (factors.narrow(1, 0, columns), factors.narrow(1, columns, rows));

    /// <summary>Of A and Bᵀ side by side as they start, r × (n + m).</summary>
    private long[] PartsShape(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        return [Settings.RankAfter(0, shape.ShortSide()), columns + rows];
    }

    private long RankFor(Tensor matrix, long completed) => Settings.RankAfter(completed, matrix.shape.ShortSide());
}
