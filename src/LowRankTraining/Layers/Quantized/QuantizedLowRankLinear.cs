namespace LowRankTraining.Layers;

/// <summary>A linear layer whose weight is frozen in 4 or 8 bits per number, with trainable low-rank factors beside it.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b + s (x Aᵀ) Bᵀ, with x (..., n), W m × n, A r × n, B m × r, as <see cref="LowRankLinear"/>. Forward and backward decode W for one product
/// and free it again.</para>
/// <para>In the state dict: <c>weight_codes</c> (uint8; m × n with 8 bits, one axis with 4), <c>weight_absmax</c> (float32), <c>bias</c>, <c>lora_A</c>,
/// <c>lora_B</c>. Bytes of the weight: 0.5625 for each number in NF4, 1.016 in 8 bits.</para>
/// <para>Source: Dettmers et al., QLoRA, arXiv 2305.14314.</para>
/// </remarks>
internal sealed class QuantizedLowRankLinear : FactorLayer
{
    private const string CodesName = "weight_codes", AbsMaxName = "weight_absmax";

    private readonly BaseFormat _format;
    private readonly BaseCode _code;
    private readonly long[] _shape;

    /// <summary>Quantizes the weight of a linear layer, to the nearest, puts factors beside it, and shares its bias. The layer itself is left as it
    /// is.</summary>
    /// <exception cref="ArgumentException">Rank, scale or dropout out of range; a dense format; a weight of another dtype.</exception>
    public QuantizedLowRankLinear(Linear source, int rank, BaseFormat format = BaseFormat.NF4, double scale = 1, double dropout = 0, ulong key = 0)
        : this(source, rank, format, scale, dropout, key, sharesWeight: false) => Quantize(source.weight);

    /// <summary>A layer that runs on the source's own weight until it is quantized, if it shares that, and cannot run before if not.</summary>
    internal QuantizedLowRankLinear(Linear source, int rank, BaseFormat format, double scale, double dropout, ulong key, bool sharesWeight)
        : base(nameof(QuantizedLowRankLinear), Quantizable(source), rank, scale, dropout, key, sharesWeight)
    {
        (_format, _code, _shape) = (format, BaseCode.Of(format), source.weight.shape);
        var device = source.weight.device;
        OwnBuffer(CodesName, zeros(PackedCodes.Shape(_shape, _code.Table.Bits), ScalarType.Byte, device));
        OwnBuffer(AbsMaxName, zeros([Blocks.Of(_shape.Elements(), _code.Block, _code.Table.Bits).Count], ScalarType.Float32, device));
    }

    /// <value>Bytes that the quantized weight takes.</value>
    public long WeightBytes => new[] { Codes, AbsMax }.Sum(tensor => tensor.NumberOfElements * tensor.ElementSize);

    /// <value>Its codes would take the rounding of a merge for good, and a decoded copy its memory.</value>
    internal override bool CanUnmerge => false;

    internal override bool FreesWeight => true;

    internal override long FrozenBytes => IsQuantized ? WeightBytes : 0;

    internal override string? Note => $"weight in {_format}";

    /// <value>Whether the layer runs on its codes.</value>
    private bool IsQuantized { get; set; }

    private Tensor Codes => Buffer(CodesName);

    private Tensor AbsMax => Buffer(AbsMaxName);

    /// <summary>Whether weights of a dtype can be quantized.</summary>
    internal static bool Takes(ScalarType dtype) => dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16;

    /// <summary>W + s B A as a new tensor, in float32: what the layer multiplies by.</summary>
    public override Tensor EffectiveWeight()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return Decode(ScalarType.Float32).addmm_(lora_B.to(ScalarType.Float32).mul(Scale), lora_A.to(ScalarType.Float32)).MoveToOuterDisposeScope();
    }

    /// <summary>W as a new tensor in the layer's dtype.</summary>
    internal Tensor BaseWeight() => Decode(lora_A.dtype);

    internal override Tensor? FoldIn(Generator? rounding, bool measures = false) => Add(lora_A, lora_B, rounding, measures);

    /// <summary>W ← W + s B A, a few rows at a time.</summary>
    internal override Tensor? Add(Tensor a, Tensor b, Generator? rounding, bool measures)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (left, right) = (b.to(ScalarType.Float32).mul(Scale), a.to(ScalarType.Float32));
        var loss = measures ? empty(_shape, ScalarType.Float32, Codes.device) : null;

        BlockwiseQuantization.Add(Codes, AbsMax, _code.Table, _code.Block, _shape.Elements(),
            chunk => LowRankFactors.PartOfProduct(left, right, chunk.Start, chunk.Length), rounding, loss);
        return loss?.MoveToOuterDisposeScope();
    }

    /// <summary>The plain layer gets W + s B A: there is nothing to round it to but its own dtype.</summary>
    internal override void FoldInto(Linear plain, Generator? rounding)
    {
        if (!IsQuantized)
            return;

        using var scope = NewDisposeScope();
        plain.Hold(LowRankFactors.Rounded(EffectiveWeight(), lora_A.dtype, rounding));
    }

    /// <summary>Runs on codes where the factors take part, and on the weight itself where that is trained.</summary>
    internal override Tensor? Activate(bool active, Linear plain, bool measures)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        Enabled = active;
        if (active == IsQuantized)
            return null;

        if (!active)
        {
            plain.Hold(BaseWeight());
            IsQuantized = false;
            return null;
        }

        Quantize(plain.weight);
        var loss = measures ? plain.weight.to(ScalarType.Float32, copy: true).sub_(BaseWeight()) : null;
        plain.Hold(empty([0], lora_A.dtype, device: lora_A.device));
        return loss?.MoveToOuterDisposeScope();
    }

    protected override Tensor Change(Tensor rows, Tensor output) => output.addmm(Hidden(rows), lora_B.t());

    private protected override Tensor Plain(Tensor rows) => !IsQuantized ? base.Plain(rows)
        : bias is null ? FrozenProduct.apply(rows, this) : FrozenProduct.apply(rows, this, bias);

    private static Linear Quantizable(Linear source) => source is null || Takes(source.weight.dtype) ? source! : throw new ArgumentException(
        $"A weight in {source.weight.dtype} cannot be quantized: convert the layer to float32, bfloat16 or float16 first.", nameof(source));

    /// <summary>Takes a weight over, rounded to the nearest, and runs on its codes from now on.</summary>
    private void Quantize(Tensor weight)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (codes, absMax) = BlockwiseQuantization.Quantize(weight, _code.Table, _code.Block);
        Codes.copy_(codes);
        AbsMax.copy_(absMax);
        IsQuantized = true;
    }

    private Tensor Decode(ScalarType dtype) => BlockwiseQuantization.Dequantize(Codes, AbsMax, _code.Table, _code.Block, _shape, dtype);
}
