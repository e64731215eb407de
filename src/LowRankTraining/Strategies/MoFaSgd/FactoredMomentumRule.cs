namespace LowRankTraining.Strategies;

/// <summary>Momentum that is kept as its singular value decomposition of low rank, and steps along its polar factor.</summary>
/// <remarks>
/// <para>For G of m × n and the momentum U diag(S) Vᵀ of rank r: U, S, V ← the leading r singular triplets of
/// U UᵀG + G V Vᵀ − U UᵀG V Vᵀ + β U diag(S) Vᵀ, found from the QR factors of [U, G V] (m × 2r) and [V, GᵀU] (n × 2r) and an SVD of 2r × 2r. The update is
/// c (α U Vᵀ + κ (G − U Uᵀ G)(I − V Vᵀ)), the residual with the U and V from before, and c <see cref="Scaling"/>'s.</para>
/// <para>With <see cref="MostInverse"/> min(1/S, that) in place of ones: the authors' code divides by singular values.</para>
/// <para>State: <c>left_factor</c> (m × r), <c>singular_values</c> (r), <c>right_factor</c> (n × r), from the SVD of the first gradient. A tensor of more than
/// two dimensions is treated as out × rest; a rank above the short side is lowered to it. For matrices only. Singular values that are noise make no
/// step.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Mahdavinia and Mahdavi, Low-rank Momentum Factorization for Memory Efficient Training, arXiv 2507.08091, and its code.</para>
/// </remarks>
internal sealed record FactoredMomentumRule : UpdateRule
{
    private static readonly StateSlot Left = new("left_factor"), Values = new("singular_values"), Right = new("right_factor");

    /// <value>r, rank of the momentum; at least 1.</value>
    public required int Rank { get; init; }

    /// <value>β, share of the momentum that stays, in [0, 1). Default 0.9 (MoFaSGD's tests: 0.9).</value>
    public double Momentum { get; init; } = 0.9;

    /// <value>α, a factor on the step along the momentum; above 0. Default 1.</value>
    public double Scale { get; init; } = 1;

    /// <value>κ, a factor on the gradient outside; at least 0. Default 0 (MoFaSGD's configuration).</value>
    public double ResidualScale { get; init; }

    /// <value>The largest factor on a singular direction where these are divided by their singular values, above 0; null for ones. Default null.</value>
    public double? MostInverse { get; init; }

    /// <value>The smallest singular value that counts, in units of the gradient; at least 0. Default 0.</value>
    public double Epsilon { get; init; }

    /// <value>Whether the residual is outside the new subspaces, in place of those from before. Default false (MoFaSGD's code).</value>
    public bool UsesNewSubspace { get; init; }

    /// <value>Whether the momentum starts as the leading part of the weight, as in the authors' code, in place of the first gradient. Default false.</value>
    public bool StartsFromWeight { get; init; }

    /// <value>What the update is multiplied by. Default: 0.2 √max(m, n), steps of about AdamW's size at full rank.</value>
    public PolarScaling Scaling { get; init; }

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .AtLeast(1, Rank)
        .Fraction(Momentum)
        .Above(0, Scale)
        .AtLeast(0, ResidualScale)
        .Above(0, MostInverse)
        .AtLeast(0, Epsilon)
        .Unused(ResidualScale > 0, UsesNewSubspace, false, "ResidualScale is 0, so that there is no residual")
        .Defined(Scaling);

    /// <inheritdoc/>
    public override bool NeedsMatrix => true;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (this.MatrixOf(gradient, step) is not { } matrix)
            return;

        var rank = Rank.Within(matrix.shape);
        var before = state.TryGet(Left, out var left) ? new Triplets(left, state[Values], state[Right]) : Start(matrix, rank, step);
        var after = before is { } momentum ? Advance(momentum, matrix, rank) : First(matrix, rank, step);

        var update = (after.Left * Weights(after.Values)).mm(after.Right.t()).mul_(Scale);
        if (ResidualScale > 0 && (UsesNewSubspace ? after : before) is { } outside)
            update.add_(outside.Residual(matrix), ResidualScale);
        accumulator.add_(update.reshape(gradient.shape), scale * Scaling.Factor(matrix.size(0), matrix.size(1)));

        state.Set(Left, after.Left);
        state.Set(Values, after.Values);
        state.Set(Right, after.Right);
    }

    private Triplets? Start(Tensor matrix, long rank, in StepContext step) =>
        StartsFromWeight && step.Weight is { } weight ? First(weight.to(matrix.dtype).AsMatrix(), rank, step) : null;

    /// <summary>The leading triplets of a whole matrix, from a sketch where that is large.</summary>
    private static Triplets First(Tensor matrix, long rank, in StepContext step)
    {
        var (left, values, right) = TruncatedSvd.Of(matrix, rank, RandomKey.For(step.Seed, step.Parameter, "momentum", step.Step));
        return new(left, values, right.t());
    }

    private Triplets Advance(in Triplets momentum, Tensor gradient, long rank)
    {
        var (left, values, right) = momentum;
        var (ahead, behind) = (gradient.mm(right), gradient.t().mm(left));
        var (leftBasis, leftFactor) = linalg.qr(cat([left, ahead], 1));
        var (rightBasis, rightFactor) = linalg.qr(cat([right, behind], 1));

        var identity = eye(rank, dtype: gradient.dtype, device: gradient.device);
        var core = values.mul(Momentum).diag() - left.t().mm(ahead);
        var middle = cat([cat([core, identity], 1), cat([identity, zeros_like(identity)], 1)], 0);
        return Leading(leftFactor.mm(middle).mm(rightFactor.t()), rank).Within(leftBasis, rightBasis);
    }

    private static Triplets Leading(Tensor core, long rank)
    {
        var (left, values, right) = linalg.svd(core, fullMatrices: false);
        return new(left.narrow(1, 0, rank), values.narrow(0, 0, rank), right.narrow(0, 0, rank).t());
    }

    private Tensor Weights(Tensor values)
    {
        var counts = values > values.max().mul(1e-6).add(Epsilon);
        var weights = MostInverse is { } most ? values.reciprocal().clamp_max(most) : ones_like(values);
        return where(counts, weights, zeros_like(weights));
    }

    /// <inheritdoc/>
    public override string LayoutFor(IReadOnlyList<long> shape) => $"{nameof(FactoredMomentumRule)} of rank {Rank.Within(shape)}";

    /// <inheritdoc/>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape)
    {
        var ((rows, columns), rank) = (shape.Sides(), Rank.Within(shape));
        return [Left.Of(rows * rank), Values.Of(rank), Right.Of(columns * rank)];
    }

    /// <inheritdoc/>
    public override string? NoteFor(IReadOnlyList<long> shape) => MatrixRules.NoteOnRank(Rank, shape);

    /// <summary>U (m × r), S (r) and V (n × r).</summary>
    private readonly record struct Triplets(Tensor Left, Tensor Values, Tensor Right)
    {
        /// <summary>The triplets of what these are in two bases.</summary>
        public Triplets Within(Tensor left, Tensor right) => new(left.mm(Left), Values, right.mm(Right));

        /// <summary>(I − U Uᵀ) G (I − V Vᵀ).</summary>
        public Tensor Residual(Tensor gradient)
        {
            var outside = gradient.clone();
            outside.AddProduct(Left, Left.t().mm(gradient), -1);
            outside.AddProduct(outside.mm(Right), Right.t(), -1);
            return outside;
        }
    }
}
