namespace LowRankTraining.Strategies;

/// <summary>Factors whose rank grows until it is enough, and is then cut to what is needed.</summary>
/// <remarks>Its state is with the factor U: <c>modes</c>, the directions needed; <c>rank</c>, those trained; <c>stable</c>, checks since the last growth;
/// <c>settled</c>. Before the first check there is none.</remarks>
internal sealed class InRankAdapter : LayerAdapter
{
    private static readonly StateSlot Modes = new("modes"), Active = new("rank"), Stable = new("stable"), Settled = new("settled");

    private readonly long _limit;
    private readonly ulong _seed;
    private readonly RankGrowth _growth;
    private readonly VectorAdamRule _u, _v;

    public InRankAdapter(in AdapterRequest request, AdapterSettings settings, FactorizedLinear layer, RankGrowth growth) : base(request, settings, layer)
    {
        (_limit, _seed, _growth) = (request.Site.Limit, settings.Seed, growth);
        (_u, _v) = (new VectorAdamRule(settings.Adam, Axis: 1), new VectorAdamRule(settings.Adam, Axis: 0));
    }

    private new FactorizedLinear Layer => (FactorizedLinear)base.Layer;

    public bool IsSettled(IOptimizerState state) => Memory(state).Counter(Settled) > 0;

    public long StableChecks(IOptimizerState state) => Memory(state).Counter(Stable);

    public long ModesIn(IOptimizerState state) => Memory(state).TryGetCounter(Modes, out var modes) ? modes : _growth.ModesAtFirst(_limit);

    /// <summary>Looks at what the directions explain, and adds new ones where more are needed.</summary>
    /// <param name="completed">Steps taken.</param>
    /// <param name="state">The optimizer's memory.</param>
    /// <param name="isLast">Whether the ranks settle now, so that new directions would be cut at once.</param>
    /// <returns>Whether more directions are needed than before.</returns>
    public bool Check(long completed, IOptimizerState state, bool isLast)
    {
        var before = ModesIn(state);
        var modes = _growth.Next(SingularValues(), before, _limit);
        if (!isLast)
            GrowTo(_growth.Active(modes, _limit), completed, state);

        var memory = Memory(state);
        memory.SetCounter(Stable, modes == before ? memory.Counter(Stable) + 1 : 0);
        memory.SetCounter(Modes, modes);
        memory.SetCounter(Active, Rank);
        return modes > before;
    }

    /// <summary>Cuts the rank to the directions that are needed. The rest goes into W₀ where there is one, and is dropped where there is none.</summary>
    /// <returns>The share of the energy that the rest had.</returns>
    public double Settle(long completed, IOptimizerState state)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var values = SingularValues();
        var modes = Math.Min(ModesIn(state), Rank);
        using var reduced = RankReduction.Reduce(Layer.factor_V, Layer.factor_U, modes);

        if (Layer.weight is not null)
            MergeIntoWeight(reduced.DroppedB, reduced.DroppedA, completed);
        Layer.Take(new(reduced.B, reduced.A));

        // ∂U = G Vᵀ follows V, and ∂V = Uᵀ G follows U.
        _u.Turn(state.StateOf(Layer.factor_U), reduced.MapOfA);
        _v.Turn(state.StateOf(Layer.factor_V), reduced.MapOfB);

        var memory = Memory(state);
        memory.SetCounter(Active, modes);
        memory.SetCounter(Settled, 1);
        var all = values.Sum(value => value * value);
        return all == 0 ? 0 : values.Skip((int)modes).Sum(value => value * value) / all;
    }

    public override void ResumeAt(long completed, IOptimizerState state)
    {
        var rank = Memory(state).TryGetCounter(Active, out var known) ? known : _growth.Active(_growth.ModesAtFirst(_limit), _limit);
        if (rank == Rank)
            return;
        if (!IsPossible(rank))
            throw new InvalidDataException($"The state of '{Name}' says that its rank is {rank}, and the layer can have 1 to {_growth.MaxRank(_limit)}.");

        using var scope = NewDisposeScope();
        var (u, v) = (Layer.factor_U, Layer.factor_V);
        Layer.Take(new(zeros(u.shape[0], rank, u.dtype, u.device), zeros(rank, v.shape[1], v.dtype, v.device)));
    }

    protected override UpdateRule RuleOf(string part) => part == FactorizedLinear.NameOfV ? _v : _u;

    /// <summary>While U is zero, as it is at the start beside a frozen weight, so is V's gradient: a step like any other.</summary>
    protected override ParameterPlan Plan(string name, Parameter parameter) => base.Plan(name, parameter) with
    {
        SessionSlots = name == FactorizedLinear.NameOfU ? [Modes, Active, Stable, Settled] : [],
        AcceptZeroGradient = name == FactorizedLinear.NameOfV && Layer.weight is not null,
        CanHaveShape = shape => shape.Length == 2 && (name == FactorizedLinear.NameOfV
            ? shape[1] == Layer.in_features && IsPossible(shape[0])
            : shape[0] == Layer.out_features && IsPossible(shape[1])),
    };

    protected override void FoldIn(long completed) => MergeIntoWeight(Layer.factor_U, Layer.factor_V, completed);

    private bool IsPossible(long rank) => rank >= 1 && rank <= _growth.MaxRank(_limit);

    /// <summary>W₀ ← W₀ + U V. A half-precision weight is rounded stochastically.</summary>
    private void MergeIntoWeight(Tensor u, Tensor v, long completed)
    {
        using var generator = MergeGenerator(completed);
        LowRankFactors.MergeInto(Weight, v, u, 1, generator);
    }

    /// <summary>New rows of V are drawn and new columns of U are zero, so the layer computes what it computed before.</summary>
    private void GrowTo(long rank, long completed, IOptimizerState state)
    {
        var more = rank - Rank;
        if (more <= 0)
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (u, v) = (Layer.factor_U, Layer.factor_V);
        var fresh = FactorPair.Nothing(u.shape[0], v.shape[1], more, v.dtype, v.device, RandomKey.For(_seed, Name, "growth", completed));
        Layer.Take(new(cat([u, fresh.U], 1), cat([v, fresh.V], 0)));
        _u.Append(state.StateOf(u), more);
        _v.Append(state.StateOf(v), more);
    }

    private double[] SingularValues()
    {
        using var scope = NewDisposeScope();
        return [.. RankReduction.SingularValues(Layer.factor_V, Layer.factor_U).cpu().to(ScalarType.Float64).data<double>()];
    }

    private StateBag Memory(IOptimizerState state) => state.StateOf(Layer.factor_U);
}
