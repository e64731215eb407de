namespace LowRankTraining.Strategies;

/// <summary>Projects a tensor of more than two dimensions along each of them, and runs a rule on the small core:
/// GaLore for convolutions, without flattening them.</summary>
/// <remarks>
/// <para>U_k spans the leading left singular vectors of the unfolding of G along dimension k (d_k × the product of the others): the higher-order SVD. R = G ×₁
/// U₁ᵀ … ×_K U_Kᵀ; the update is α c N ×₁ U₁ … ×_K U_K.</para>
/// <para>State: <c>basis_0</c>, <c>basis_1</c>, ..., d_k × r_k with r_k the rank, or d_k or the product of the others where one of them is less, and the
/// inner rule's moments in the core's shape: Σ d_k r_k + 2 Π r_k numbers. A dimension that would not shrink has no basis.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: De Lathauwer, De Moor and Vandewalle, SIAM J. Matrix Anal. Appl. 21 (2000); GaLore, arXiv 2403.03507, whose own version fails when it is
/// called, never refreshes, and steps by the raw gradient.</para>
/// </remarks>
internal sealed record TuckerRule : UpdateRule
{
    /// <summary>As many as libtorch's operators have dimensions.</summary>
    private static readonly StateSlot[] Bases = [.. Enumerable.Range(0, 64).Select(dimension => new StateSlot($"basis_{dimension}"))];

    /// <value>Largest rank along a dimension; at least 1.</value>
    public required int Rank { get; init; }

    /// <value>How each subspace is found. Default: randomized SVD.</value>
    public IBasis Basis { get; init; } = new RandomizedSvdBasis();

    /// <value>When they are found again. Default: every 200 updates (GaLore).</value>
    public IRefreshPolicy Refresh { get; init; } = new PeriodicRefresh();

    /// <value>The rule on the core. Default: Adam.</value>
    public DirectionRule Inner { get; init; } = new AdamRule();

    /// <value>α, a factor on the update; above 0. Default 0.25 (GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <summary>The rule for tensors that goes with a rule for matrices.</summary>
    internal static TuckerRule Of(SubspaceRule recipe, double scale) =>
        new() { Rank = recipe.Rank, Basis = recipe.Basis, Refresh = recipe.Refresh, Inner = recipe.Inner, Scale = scale };

    public override (double Beta1, double Beta2)? Betas => Inner.Betas;

    public override Tensor? RelativeRate(Tensor weight, StateBag state) => Inner.RelativeRate(weight, state);

    public override TuckerRule WithStates(StateFormat states) => this with { Inner = Inner.WithStates(states) };

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var completed = state.Counter(SubspaceRule.Clock);
        var due = completed == 0 || Refresh.IsDue(completed, step.Index, state);
        var isHuge = step.Verdict == GradientVerdict.Huge;
        if (due && !step.AcceptsSquared(gradient, null, out isHuge))
            return;
        if (isHuge)
            gradient = GradientCheck.InRange(gradient);

        if (due)
            Renew(gradient, state, step);

        var core = Product(gradient, state, back: false);
        if (!due && !step.AcceptsSquared(core, gradient, out isHuge))
            return;
        if (isHuge && !due)
            core = Product(GradientCheck.InRange(gradient), state, back: false);

        var (direction, correction) = Inner.Advance(core.contiguous(), state, step);
        accumulator.add_(Product(direction, state, back: true), scale * correction * Scale);
        state.Advance(SubspaceRule.Clock);
    }

    public override string LayoutFor(IReadOnlyList<long> shape) => $"Tucker core of {string.Join(" × ", Core(shape))}, {Inner.LayoutFor(Core(shape))}";

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape)
    {
        var core = Core(shape);
        var bases = shape.Select((size, dimension) => Bases[dimension] with { Bytes = Basis.BytesFor(size, core[dimension], StateFormat.Float32) });
        return [.. bases.Where((_, dimension) => shape[dimension] > Rank), .. Inner.SlotsFor(core), .. Refresh.SlotsFor(core.Elements()), SubspaceRule.Clock];
    }

    /// <summary>What a recipe for matrices asks for that this rule has no place for, each in a sentence that says what to do.</summary>
    internal static IEnumerable<string> MissingFrom(SubspaceRule recipe)
    {
        foreach (var objection in ObjectionsTo(recipe.Basis, recipe.Refresh))
            yield return objection;
        if (recipe.OnRefresh != MomentCarryOver.Keep)
            yield return "A Tucker projection keeps its moments at a refresh: set OnRefresh to Keep.";
        if (recipe.Guard is not null)
            yield return "A Tucker projection has no guard before its inner rule: leave Guard out.";
        if (recipe.BasisFormat != StateFormat.Float32)
            yield return "A Tucker projection keeps its bases in float32: leave BasisFormat as it is.";
    }

    private static IEnumerable<string> ObjectionsTo(IBasis? basis, IRefreshPolicy? refresh)
    {
        if (basis is { KeepsColumns: false } or { IsAdaptive: true } or { IsOrthonormal: false })
            yield return $"A Tucker projection keeps orthonormal columns of a fixed number for each dimension, which {basis.GetType().Name} does not give: " +
                "take a basis that does, such as RandomizedSvdBasis.";
        if (refresh is { OnlyCounts: false })
            yield return $"A Tucker projection shows {refresh.GetType().Name} nothing to decide by: take PeriodicRefresh or StaggeredRefresh.";
    }

    private long[] Core(IReadOnlyList<long> shape) => [.. shape.Select(size => size > Rank ? RankOf(size, shape) : size)];

    /// <summary>An unfolding d_k × the product of the others spans no more than its short side.</summary>
    private long RankOf(long size, IReadOnlyList<long> shape) => Math.Min(Rank, shape.Elements() / size);

    private void Renew(Tensor gradient, StateBag state, in StepContext step)
    {
        for (var dimension = 0; dimension < gradient.shape.Length; dimension++)
            if (gradient.shape[dimension] > Rank)
            {
                using var scope = NewDisposeScope();
                var unfolded = gradient.transpose(0, dimension).reshape(gradient.shape[dimension], -1);
                var previous = state.TryGet(Bases[dimension], out var basis) ? basis : null;
                state.Set(Bases[dimension],
                    Basis.Find(new(unfolded, RankOf(gradient.shape[dimension], gradient.shape),
                    previous, step with { Parameter = $"{step.Parameter}/{dimension}" })));
            }

        step.Counters?.Refresh();
    }

    /// <summary>Multiplies along every dimension that has a basis: by its transpose into the core, by itself back.</summary>
    private static Tensor Product(Tensor tensor, StateBag state, bool back)
    {
        var result = tensor;
        for (var dimension = 0; dimension < tensor.shape.Length; dimension++)
            if (state.TryGet(Bases[dimension], out var basis))
            {
                var front = result.transpose(0, dimension);
                var product = (back ? basis : basis.t()).mm(front.AsMatrix());
                result = product.reshape([product.shape[0], .. front.shape.Skip(1)]).transpose(0, dimension);
            }

        return result;
    }
}
