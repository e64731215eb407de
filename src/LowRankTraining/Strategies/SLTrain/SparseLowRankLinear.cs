namespace LowRankTraining.Strategies;

/// <summary>A linear layer without a weight: the sum of low-rank factors and a sparse part takes its place.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b with W = s B A + S, x (..., n), A r × n, B m × r, and S m × n with values v on a fixed random support of ⌊δ m n⌋ entries. W is made for
/// a product and freed with it, in the forward pass and again in the backward pass: between them only x, A, B and v are kept. Scratch: one matrix. Operations
/// for N rows: 6 N m n + 8 m n r.</para>
/// <para>A and v start uniform in ±1/√n and B at zero, so that W starts as S. In half precision an entry of W is rounded once, as the sum.</para>
/// <para>In the state dict: <c>bias</c>, <c>lora_A</c>, <c>lora_B</c>, <c>sparse_values</c>, and <c>sparse_indices</c> with
/// <see cref="KeepsIndices"/>. Numbers: r (m + n) + δ m n trained, in place of m n.</para>
/// <para>Source: Han et al., SLTrain, arXiv 2406.02214, section 3.</para>
/// </remarks>
public sealed class SparseLowRankLinear : ReparameterizedLinear
{
    internal const string ValuesName = "sparse_values", IndicesName = "sparse_indices";

    /// <summary>Makes a layer with new parts, to be trained from scratch.</summary>
    /// <param name="inputSize">n, entries of an input row.</param>
    /// <param name="outputSize">m, entries of an output row.</param>
    /// <param name="rank">r, at least 1 and at most min(m, n).</param>
    /// <param name="density">δ, share of the entries that the sparse part has, in (0, 1) and enough for one entry. Default 0.03 (SLTrain).</param>
    /// <param name="scale">s, a factor on the product B A; α/r in SLTrain. Default 1.</param>
    /// <param name="hasBias">Whether there is a bias; it starts uniform in ±1/√n, as that of a plain layer. Default true.</param>
    /// <param name="keepsIndices">Whether the places of sparse values are kept; else they are drawn again in every pass. Default true.</param>
    /// <param name="key">Seed of the parts and of the support. Default 0.</param>
    /// <param name="device">Where the parts live.</param>
    /// <param name="dtype">Their dtype. Default: float32.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank, density or scale out of range.</exception>
    public SparseLowRankLinear(
        long inputSize, long outputSize, int rank, double density = 0.03, double scale = 1, bool hasBias = true,
        bool keepsIndices = true, ulong key = 0, Device? device = null, ScalarType? dtype = null)
        : this(SparseRecipe.Of(outputSize, inputSize, rank, density, scale, keepsIndices, key),
            outputSize, inputSize, hasBias, dtype ?? ScalarType.Float32, device ?? CPU) { }

    /// <summary>Takes ready parts over.</summary>
    internal SparseLowRankLinear(in SparseLowRankParts parts, Parameter? bias, in Support support, double scale, bool keepsIndices)
        : base(nameof(SparseLowRankLinear))
    {
        using var guard = no_grad();
        (Support, Scale, KeepsIndices) = (support, scale, keepsIndices);
        Own(BiasName, bias);
        Own(LowRankFactors.A, new Parameter(parts.A));
        Own(LowRankFactors.B, new Parameter(parts.B));
        Own(ValuesName, new Parameter(parts.Values));
        if (keepsIndices)
            OwnBuffer(IndicesName, support.Indices(lora_B.device));
    }

    private SparseLowRankLinear(SparseRecipe recipe, long rows, long columns, bool hasBias, ScalarType dtype, Device device)
        : this(recipe.Fresh("", rows, columns, dtype, device),
            hasBias ? new Parameter(recipe.Bias(rows, columns, dtype, device)) : null,
            recipe.SupportOf("", rows, columns), recipe.Scale, recipe.KeepsIndices) { }

    /// <value>A, r × n.</value>
    public Parameter lora_A => Part(LowRankFactors.A);

    /// <value>B, m × r.</value>
    public Parameter lora_B => Part(LowRankFactors.B);

    /// <value>v, the entries of S on the support, in the order of their numbers.</value>
    public Parameter sparse_values => Part(ValuesName);

    /// <inheritdoc/>
    public override long in_features => lora_A.shape[1];

    /// <inheritdoc/>
    public override long out_features => lora_B.shape[0];

    /// <value>r.</value>
    public override long Rank => lora_A.shape[0];

    /// <value>s, the factor on the product B A.</value>
    public double Scale { get; }

    /// <value>Whether the places of sparse values are kept; else they are drawn again in every pass.</value>
    public bool KeepsIndices { get; }

    /// <value>Where the sparse part has its values.</value>
    internal Support Support { get; }

    /// <inheritdoc/>
    protected override Tensor Output(Tensor rows) => bias is null
        ? SparseLowRankProduct.apply(rows, lora_A, lora_B, sparse_values, this)
        : SparseLowRankProduct.apply(rows, lora_A, lora_B, sparse_values, this, bias);

    /// <summary>s B A + S as a new tensor in the layer's dtype: exactly what the layer multiplies by.</summary>
    public override Tensor EffectiveWeight()
    {
        using var guard = no_grad();
        return Rebuild(new(lora_A, lora_B, sparse_values));
    }

    /// <summary>The numbers of the support's entries, row by row, ascending: the layer's own, or a temporary of the current dispose scope.</summary>
    internal Tensor Indices() => BufferOrNull(IndicesName) ?? Support.Indices(lora_B.device);

    internal Tensor Rebuild(in SparseLowRankParts parts)
    {
        using var scope = NewDisposeScope();
        return SparseLowRank.Weight(parts, Indices(), Scale).MoveToOuterDisposeScope();
    }
}
