namespace LowRankTraining.Strategies;

/// <summary>How a matrix becomes low-rank factors and a sparse part. Randomness is keyed by seed and name alone.</summary>
internal sealed record SparseRecipe
{
    public required ulong Seed { get; init; }

    public required int Rank { get; init; }

    public required double Scale { get; init; }

    public required double Density { get; init; }

    public bool StartsFromWeight { get; init; }

    public bool KeepsIndices { get; init; }

    /// <value>Whether v is drawn wider by 1/√δ, so that the entries of S have the variance of a plain layer's.</value>
    public bool PreservesVariance { get; init; }

    public AdamRule Adam { get; init; } = new();

    /// <value>Where the support is, in a layout: with the values, or in the seed.</value>
    public string SupportLayout =>
        KeepsIndices ? "with indices" : FormattableString.Invariant($"on the support of seed {Seed} at density {Density}");

    /// <summary>The recipe of a single layer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It cannot be had.</exception>
    public static SparseRecipe Of(long rows, long columns, int rank, double density, double scale, bool keepsIndices, ulong key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, Math.Min(rows, columns));
        if (density is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(density), density, "The density must be above 0 and below 1.");
        if (Support.CountFor(density, rows, columns) == 0)
            throw new ArgumentOutOfRangeException(nameof(density), density, FormattableString.Invariant(
                $"A density of {density} gives a {rows} x {columns} matrix no entry: take at least {1.0 / (rows * columns):g3}, or a plain layer."));
        if (!double.IsFinite(scale))
            throw new ArgumentOutOfRangeException(nameof(scale), scale, "The scale must be a finite number.");
        return new() { Seed = key, Rank = rank, Scale = scale, Density = density, KeepsIndices = keepsIndices };
    }

    public long RankOf(long rows, long columns) => Math.Min(Rank, Math.Min(rows, columns));

    /// <summary>The support of a matrix: ⌊δ m n⌋ entries, and one where that is none.</summary>
    public Support SupportOf(string name, long rows, long columns) =>
        new(rows, columns, Math.Max(1, Support.CountFor(Density, rows, columns)), RandomKey.For(Seed, name, "support", 0));

    /// <summary>A ~ U(±1/√n), B = 0, v ~ U(±1/√n), the same numbers for the same name whatever the dtype.</summary>
    public SparseLowRankParts Fresh(string name, long rows, long columns, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        var rank = RankOf(rows, columns);
        var a = UniformRows.Draw(rank, columns, dtype, device, RandomKey.For(Seed, name, LowRankFactors.A, 0));
        var bound = 1 / Math.Sqrt(PreservesVariance ? Density * columns : columns);
        var valuesKey = RandomKey.For(Seed, name, SparseLowRankLinear.ValuesName, 0);
        var values = UniformRows.Draw([SupportOf(name, rows, columns).Count], bound, dtype, device, valuesKey);
        return new(a.MoveToOuterDisposeScope(), zeros(rows, rank, dtype, device).MoveToOuterDisposeScope(), values.MoveToOuterDisposeScope());
    }

    /// <summary>The layer for a plain one, with whose bias it goes on.</summary>
    public SparseLowRankLinear LayerFor(string name, Linear plain)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rows, columns) = (plain.weight.shape[0], plain.weight.shape[1]);
        var parts = StartsFromWeight ? FromWeight(name, plain.weight) : Fresh(name, rows, columns, plain.weight.dtype, plain.weight.device);
        return new(parts, plain.bias, SupportOf(name, rows, columns), Scale, KeepsIndices);
    }

    /// <exception cref="ArgumentException">The weight is to be factorized, and holds NaN or infinity.</exception>
    public void RequireUsable(string name, Tensor weight)
    {
        if (StartsFromWeight)
            FactorStart.RequireFinite(name, weight, "set StartsFromWeight to false");
    }

    /// <summary>The parts that come near a weight that is there: its truncated SVD, each singular value shared by both
    /// factors, and on the support what that leaves.</summary>
    public SparseLowRankParts FromWeight(string name, Tensor weight)
    {
        using var scope = NewDisposeScope();
        var precise = weight.AsMatrix().Widened();
        var (rows, columns) = (precise.shape[0], precise.shape[1]);
        var (left, right) = TruncatedSvd.Balanced(precise, RankOf(rows, columns), RandomKey.For(Seed, name, "start", 0));
        var factor = 1 / Math.Sqrt(Scale);
        var (a, b) = (right.mul_(factor).to(weight.dtype), left.mul_(factor).to(weight.dtype));

        // What the factors leave is taken after their rounding, so that the values make good for it.
        var rest = b.to(precise.dtype).mm(a.to(precise.dtype).mul(Scale)).neg_().add_(precise);
        var values = SparseLowRank.OnSupport(rest, SupportOf(name, rows, columns).Indices(weight.device)).to(weight.dtype);
        return new(a.MoveToOuterDisposeScope(), b.MoveToOuterDisposeScope(), values.MoveToOuterDisposeScope());
    }

    public Tensor Bias(long rows, long columns, ScalarType dtype, Device device) =>
        UniformRows.Draw([rows], 1 / Math.Sqrt(columns), dtype, device, RandomKey.For(Seed, "", "bias", 0));
}
