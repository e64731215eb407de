using LowRankTraining.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LowRankTraining.Sparse;

/// <summary>A linear layer without a weight: the sum of low-rank factors and a sparse part takes its place.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b with W = s B A + S, x (..., n), A r × n, B m × r, and S m × n with values v on a fixed random support of ⌊δ m n⌋ entries. W is made for a product and freed with it, in the forward pass and again in the backward pass:
/// between them only x, A, B and v are kept. Scratch: one matrix. Operations for N rows: 6 N m n + 8 m n r.</para>
/// <para>A and v start uniform in ±1/√n and B at zero, so that W starts as S. In half precision an entry of W is rounded once, as the sum.</para>
/// <para>In the state dict: <c>bias</c>, <c>lora_A</c>, <c>lora_B</c>, <c>sparse_values</c>, and <c>sparse_indices</c> with <see cref="SupportStorage.Indices"/>.
/// Numbers: r (m + n) + δ m n trained, in place of m n.</para>
/// <para>Source: Han et al., SLTrain, arXiv 2406.02214, section 3.</para>
/// </remarks>
public sealed class SparseLowRankLinear : nn.Module<Tensor, Tensor>
{
    internal const string ValuesName = "sparse_values", IndicesName = "sparse_indices";

#pragma warning disable IDE0044 // TorchSharp writes these fields when the module moves.
    [ComponentName(Name = "bias")]
    private Parameter? _bias;

    [ComponentName(Name = LowRankFactors.A)]
    private Parameter _a;

    [ComponentName(Name = LowRankFactors.B)]
    private Parameter _b;

    [ComponentName(Name = ValuesName)]
    private Parameter _values;

    [ComponentName(Name = IndicesName)]
    private Tensor? _indices;
#pragma warning restore IDE0044

    private readonly Support _support;

    /// <summary>Makes a layer with new parts, to be trained from scratch.</summary>
    /// <param name="inputSize">n, entries of an input row.</param>
    /// <param name="outputSize">m, entries of an output row.</param>
    /// <param name="rank">r, at least 1 and at most min(m, n).</param>
    /// <param name="density">δ, share of the entries that the sparse part has, in (0, 1) and enough for one entry. Default 0.03 (SLTrain).</param>
    /// <param name="scale">s, a factor on the product B A; α/r in SLTrain. Default 1.</param>
    /// <param name="hasBias">Whether there is a bias; it starts uniform in ±1/√n, as that of a plain layer. Default true.</param>
    /// <param name="storage">How the support is kept. Default: by number.</param>
    /// <param name="key">Seed of the parts and of the support. Default 0.</param>
    /// <param name="device">Where the parts live.</param>
    /// <param name="dtype">Their dtype. Default: float32.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank, density or scale out of range.</exception>
    public SparseLowRankLinear(
        long inputSize, long outputSize, int rank, double density = 0.03, double scale = 1, bool hasBias = true,
        SupportStorage storage = SupportStorage.Indices, ulong key = 0, Device? device = null, ScalarType? dtype = null)
        : this(SparseRecipe.Of(outputSize, inputSize, rank, density, scale, storage, key), outputSize, inputSize, hasBias, dtype ?? ScalarType.Float32, device ?? CPU) { }

    /// <summary>Takes ready parts over.</summary>
    internal SparseLowRankLinear(in SparseLowRankParts parts, Parameter? bias, in Support support, double scale, SupportStorage storage) : base(nameof(SparseLowRankLinear))
    {
        using var guard = no_grad();
        (_bias, _support, Scale, Storage) = (bias, support, scale, storage);
        (_a, _b, _values) = (Own(parts.A), Own(parts.B), Own(parts.Values));
        _indices = storage == SupportStorage.Indices ? support.Indices(_b.device).DetachFromDisposeScope() : null;
        RegisterComponents();
    }

    private SparseLowRankLinear(SparseRecipe recipe, long rows, long columns, bool hasBias, ScalarType dtype, Device device)
        : this(recipe.Fresh("", rows, columns, dtype, device), hasBias ? Own(recipe.Bias(rows, columns, dtype, device)) : null, recipe.SupportOf("", rows, columns), recipe.Scale, recipe.Storage) { }

    /// <value>b, m entries, or null.</value>
    public Parameter? bias => _bias;

    /// <value>A, r × n.</value>
    public Parameter lora_A => _a;

    /// <value>B, m × r.</value>
    public Parameter lora_B => _b;

    /// <value>v, the entries of S on the support, in the order of their numbers.</value>
    public Parameter sparse_values => _values;

    /// <value>n, entries of an input row.</value>
    public long in_features => _a.shape[1];

    /// <value>m, entries of an output row.</value>
    public long out_features => _b.shape[0];

    /// <value>r.</value>
    public long Rank => _a.shape[0];

    /// <value>s, the factor on the product B A.</value>
    public double Scale { get; }

    /// <value>How the support is kept.</value>
    public SupportStorage Storage { get; }

    /// <value>Whether the layer has been run.</value>
    internal bool Reached { get; private set; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Reached = true;

        var rows = LowRankFactors.Rows(input);
        var output = _bias is null ? SparseLowRankProduct.apply(rows, _a, _b, _values, this) : SparseLowRankProduct.apply(rows, _a, _b, _values, this, _bias);
        return output.reshape([.. input.shape[..^1], out_features]).MoveToOuterDisposeScope();
    }

    /// <summary>s B A + S as a new tensor in the layer's dtype: exactly what the layer multiplies by.</summary>
    public Tensor EffectiveWeight()
    {
        using var guard = no_grad();
        return Rebuild(new(_a, _b, _values));
    }

    /// <summary>The numbers of the support's entries, row by row, ascending: the layer's own, or a temporary of the current dispose scope.</summary>
    internal Tensor Indices() => _indices ?? _support.Indices(_b.device);

    internal Tensor Rebuild(in SparseLowRankParts parts)
    {
        using var scope = NewDisposeScope();
        return SparseLowRank.Weight(parts, Indices(), Scale).MoveToOuterDisposeScope();
    }

    internal bool IsFinite() => SparseLowRank.AreFinite(new(_a, _b, _values));

    /// <summary>Frees everything but the bias, when the layer has left the model.</summary>
    internal void Release()
    {
        foreach (var tensor in new[] { _a, _b, _values, _indices })
            tensor?.Dispose();
    }

    private static Parameter Own(Tensor values)
    {
        var parameter = new Parameter(values);
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
