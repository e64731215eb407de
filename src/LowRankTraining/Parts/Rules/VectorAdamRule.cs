namespace LowRankTraining.Parts;

/// <summary>Adam for a factor whose vectors, its rows or its columns, come and go one by one: each has a step counter of its own.</summary>
/// <remarks>
/// <para>State: <c>exp_avg</c>, <c>exp_avg_sq</c> in the factor's shape; <c>vector_steps</c>, the steps that each vector has taken; with <see cref="CanHold"/>
/// also <c>held</c>, the steps that it is still to be held still.</para>
/// <para>A vector that joins late starts as any parameter does at its first step, not with moments of zero that are taken for long averages.</para>
/// </remarks>
/// <param name="Adam">Its numbers.</param>
/// <param name="Axis">0 where the vectors are rows, 1 where they are columns.</param>
internal sealed record VectorAdamRule(AdamRule Adam, int Axis) : UpdateRule
{
    private static readonly StateSlot Mean = new("exp_avg"), Square = new("exp_avg_sq"), Steps = new("vector_steps") { IsSingle = true },
        Held = new("held") { IsSingle = true };

    /// <value>Whether vectors can be held still temporarily.</value>
    public bool CanHold { get; init; }

    public override (double Beta1, double Beta2)? Betas => (Adam.Beta1, Adam.Beta2);

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        using var scope = NewDisposeScope();
        var (beta1, beta2) = (step.Beta1 ?? Adam.Beta1, step.Beta2 ?? Adam.Beta2);
        var (mean, square) = (state.ZerosLike(Mean, gradient), state.ZerosLike(Square, gradient));
        var steps = PerVector(Steps, gradient, state);
        var within = gradient.WithinSquares();
        var usable = CanHold ? OfFree(within, steps, PerVector(Held, gradient, state)) : OfAll(within, steps);

        mean.mul_(beta1).add_(usable, 1 - beta1);
        square.mul_(beta2).addcmul_(usable, usable, 1 - beta2);

        // c · M / (√V + ε √(1 − β₂ᵗ)) with c = √(1 − β₂ᵗ) / (1 − β₁ᵗ), each vector with its own t.
        var t = steps.to(gradient.dtype).clamp_min(1);
        var weight = Across(Weight(t, beta2)).sqrt();
        var root = square.sqrt().add_(weight.mul(Adam.Epsilon));
        accumulator.addcdiv_(mean * (weight / Across(Weight(t, beta1))), root, scale);
    }

    /// <summary>Holds vectors still for so many steps, without any memory of their past.</summary>
    public void Hold(StateBag state, Tensor factor, Tensor indices, long steps)
    {
        foreach (var moment in new[] { Mean, Square })
            if (state.TryGet(moment, out var values))
                values.index_fill_(Axis, indices, 0);
        PerVector(Steps, factor, state).index_fill_(0, indices, 0);
        PerVector(Held, factor, state).index_fill_(0, indices, steps);
    }

    /// <summary>Makes room for vectors that join.</summary>
    public void Append(StateBag state, long count)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (name, dimension) in new[] { (Mean, Axis), (Square, Axis), (Steps, 0) })
            if (state.TryGet(name, out var old))
            {
                var shape = old.shape;
                shape[dimension] = count;
                state.Set(name, cat([old, zeros(shape, old.dtype, old.device)], dimension));
            }
    }

    /// <summary>Carries the moments over to other vectors, of which each gradient is a mixture of the old ones' gradients: M ← C M and V ← (C ∘ C) V along the
    /// rank. All are then as old as the oldest was.</summary>
    /// <param name="state">The factor's memory.</param>
    /// <param name="mixture">C, new vectors × old vectors.</param>
    public void Turn(StateBag state, Tensor mixture)
    {
        if (!state.TryGet(Steps, out var steps))
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var oldest = steps.max().expand(mixture.shape[0]).clone();
        foreach (var (name, beta, map) in new[] { (Mean, Adam.Beta1, mixture), (Square, Adam.Beta2, mixture.square()) })
        {
            // A vector that has never stepped holds zeros, whatever its weight.
            var taken = steps.to(state[name].dtype);
            var catchUp = Weight(taken.max(), beta) / Weight(taken.clamp_min(1), beta);
            var old = state[name] * Across(catchUp);
            state.Set(name, Axis == 0 ? map.to(old.dtype).mm(old) : old.mm(map.to(old.dtype).t()));
        }

        state.Set(Steps, oldest);
    }

    public override string LayoutFor(IReadOnlyList<long> shape) => $"{Adam.LayoutFor(shape)}, a step counter for each "
        + $"{(Axis == 0 ? "row" : "column")}{(CanHold ? " that can be held" : "")}";

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) =>
        [Mean.Of(shape.Elements()), Square.Of(shape.Elements()), Steps.Of(shape[Axis]), .. CanHold ? [Held.Of(shape[Axis])] : Array.Empty<StateSlot>()];

    private static Tensor OfAll(Tensor gradient, Tensor steps)
    {
        steps.add_(1);
        return gradient;
    }

    /// <summary>The gradient of the vectors that are not held; those that are come one step nearer to their release.</summary>
    private Tensor OfFree(Tensor gradient, Tensor steps, Tensor held)
    {
        var free = held.eq(0);
        held.sub_(1).clamp_min_(0);
        steps.add_(free);
        return gradient * Across(free);
    }

    private Tensor PerVector(string name, Tensor factor, StateBag state) =>
        state.GetOrAdd(name, () => zeros(factor.shape[Axis], ScalarType.Float32, factor.device));

    /// <summary>1 − βᵗ, without cancellation at the first steps.</summary>
    private static Tensor Weight(Tensor steps, double beta) => beta == 0 ? ones_like(steps) : steps.mul(Math.Log(beta)).expm1().neg();

    private Tensor Across(Tensor perVector) => Axis == 0 ? perVector.unsqueeze(1) : perVector.unsqueeze(0);
}
