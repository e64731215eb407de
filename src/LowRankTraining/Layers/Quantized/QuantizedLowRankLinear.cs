using LowRankTraining.Numerics;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A linear layer whose weight is frozen in 4 or 8 bits a number, with trainable low-rank factors beside it.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b + s (x Aᵀ) Bᵀ, with x (..., n), W m × n, A r × n, B m × r, as <see cref="LowRankLinear"/>. Forward and backward decode W for one product
/// and free it again.</para>
/// <para>In the state dict: <c>weight_codes</c> (uint8; m × n with 8 bits, one axis with 4), <c>weight_absmax</c> (float32), <c>bias</c>, <c>lora_A</c>,
/// <c>lora_B</c>. Bytes of the weight: 0.5625 for each number in NF4, 1.016 in 8 bits.</para>
/// <para>Source: Dettmers et al., QLoRA, arXiv 2305.14314.</para>
/// </remarks>
public sealed class QuantizedLowRankLinear : ReparameterizedLinear
{
    private const string CodesName = "weight_codes", AbsMaxName = "weight_absmax";

    private readonly BaseCode _code;
    private readonly long[] _shape;

    /// <summary>Quantizes the weight of a linear layer, to the nearest, puts factors beside it, and shares its bias. The layer itself is left as it
    /// is.</summary>
    /// <param name="source">The layer, in float32, bfloat16 or float16.</param>
    /// <param name="rank">r, at least 1 and at most the short side of the weight.</param>
    /// <param name="format">How the weight is kept. Default NF4.</param>
    /// <param name="scale">s, a factor on the product B A; α/r in LoRA. Default 1.</param>
    /// <param name="dropout">Probability with which an input entry does not reach the factors, in [0, 1). Default 0.</param>
    /// <param name="key">Seed of A. Default 0.</param>
    /// <exception cref="ArgumentException">Rank, scale or dropout out of range; a dense format; a weight of another dtype.</exception>
    public QuantizedLowRankLinear(Linear source, int rank, BaseFormat format = BaseFormat.NF4, double scale = 1, double dropout = 0, ulong key = 0)
        : this(source, rank, format, scale, dropout, key, sharesWeight: false) => Quantize(source.weight);

    /// <summary>A layer that runs on the source's own weight until it is quantized, if it shares that, and cannot run before if not.</summary>
    internal QuantizedLowRankLinear(Linear source, int rank, BaseFormat format, double scale, double dropout, ulong key, bool sharesWeight)
        : base(nameof(QuantizedLowRankLinear))
    {
        LowRankFactors.Require(source, rank, scale, dropout);
        if (!Takes(source.weight.dtype))
            throw new ArgumentException($"A weight in {source.weight.dtype} cannot be quantized: "
                + "convert the layer to float32, bfloat16 or float16 first.", nameof(source));

        (_code, _shape) = (BaseCode.Of(format), source.weight.shape);
        (Scale, Dropout, Mask) = (scale, dropout, DropoutMask.For(key, dropout));
        var (a, b) = LowRankFactors.Make(source.weight, rank, key);
        Own(WeightName, sharesWeight ? source.weight : null);
        Own(BiasName, source.bias);
        Own(LowRankFactors.A, a);
        Own(LowRankFactors.B, b);
        ShareWith(source);

        var device = source.weight.device;
        OwnBuffer(CodesName, zeros(PackedCodes.Shape(_shape, _code.Table.Bits), ScalarType.Byte, device));
        OwnBuffer(AbsMaxName, zeros([Blocks.Of(_shape.Elements(), _code.Block, _code.Table.Bits).Count], ScalarType.Float32, device));
    }

    /// <value>A, r × n.</value>
    public Parameter lora_A => Part(LowRankFactors.A);

    /// <value>B, m × r.</value>
    public Parameter lora_B => Part(LowRankFactors.B);

    /// <value>n, entries of an input row.</value>
    public long in_features => _shape[1];

    /// <value>m, entries of an output row.</value>
    public long out_features => _shape[0];

    /// <value>r.</value>
    public long Rank => lora_A.shape[0];

    /// <value>s, the factor on the product B A.</value>
    public double Scale { get; }

    /// <value>Probability with which an input entry does not reach the factors while training.</value>
    public double Dropout { get; }

    /// <value>Whether the factors take part. Default true.</value>
    public bool Enabled { get; set; } = true;

    /// <value>Bytes that the quantized weight takes.</value>
    public long WeightBytes => new[] { Codes, AbsMax }.Sum(tensor => tensor.NumberOfElements * tensor.ElementSize);

    /// <value>What drops entries of the input, or null.</value>
    internal DropoutMask? Mask { get; }

    /// <value>Whether the layer runs on its codes.</value>
    internal bool IsQuantized { get; private set; }

    /// <summary>Whether weights of a dtype can be quantized.</summary>
    internal static bool Takes(ScalarType dtype) => dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Reached = true;

        var rows = LowRankFactors.Rows(input);
        var output = !IsQuantized ? nn.functional.linear(rows, Part(WeightName), bias)
            : bias is null ? FrozenProduct.apply(rows, this) : FrozenProduct.apply(rows, this, bias);
        if (Enabled)
            output = output.addmm(LowRankFactors.Hidden(rows, lora_A, Scale, Mask, training), lora_B.t());

        return output.reshape([.. input.shape[..^1], out_features]).MoveToOuterDisposeScope();
    }

    /// <summary>W + s B A as a new tensor, in float32: what the layer multiplies by.</summary>
    public Tensor EffectiveWeight()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return Decode(ScalarType.Float32).addmm_(lora_B.to(ScalarType.Float32).mul(Scale), lora_A.to(ScalarType.Float32)).MoveToOuterDisposeScope();
    }

    /// <summary>Folds the factors into the weight, which is rounded to its format again, and sets B to zero.</summary>
    /// <param name="rounding">Rounds stochastically, so that nothing is lost in expectation; to the nearest, which loses most of a small change, when
    /// null.</param>
    /// <exception cref="InvalidOperationException">The factors hold NaN or infinity. Nothing was changed.</exception>
    public void Merge(Generator? rounding)
    {
        if (!LowRankFactors.AreFinite(lora_A, lora_B))
            throw new InvalidOperationException("The low-rank factors hold NaN or infinity and were not merged: the training has diverged. "
                + "Go back to a checkpoint and lower the learning rate.");

        Add(lora_A, lora_B, rounding, measures: false);
        using var guard = no_grad();
        lora_B.zero_();
    }

    /// <summary>W ← W + s B A, a few rows at a time.</summary>
    /// <returns>What the rounding has lost, where that is asked for, else null.</returns>
    internal Tensor? Add(Tensor a, Tensor b, Generator? rounding, bool measures)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (left, right) = (b.to(ScalarType.Float32).mul(Scale), a.to(ScalarType.Float32));
        var loss = measures ? empty(_shape, ScalarType.Float32, Codes.device) : null;

        BlockwiseQuantization.Add(Codes, AbsMax, _code.Table, _code.Block, _shape.Elements(),
            chunk => LowRankFactors.PartOfProduct(left, right, chunk.Start, chunk.Length), rounding, loss);
        return loss?.MoveToOuterDisposeScope();
    }

    /// <summary>Takes a weight over, rounded to the nearest, and runs on its codes from now on.</summary>
    internal void Quantize(Tensor weight)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (codes, absMax) = BlockwiseQuantization.Quantize(weight, _code.Table, _code.Block);
        Codes.copy_(codes);
        AbsMax.copy_(absMax);
        IsQuantized = true;
    }

    /// <summary>Runs on the shared weight again.</summary>
    internal void Unquantize() => IsQuantized = false;

    /// <summary>W as a new tensor in the layer's dtype.</summary>
    internal Tensor BaseWeight() => Decode(lora_A.dtype);

    /// <summary>Frees the factors' neighbor, when the layer has left the model.</summary>
    internal void Release()
    {
        Codes.Dispose();
        AbsMax.Dispose();
    }

    private Tensor Codes => Buffer(CodesName);

    private Tensor AbsMax => Buffer(AbsMaxName);

    private Tensor Decode(ScalarType dtype) => BlockwiseQuantization.Dequantize(Codes, AbsMax, _code.Table, _code.Block, _shape, dtype);
}
