namespace LowRankTraining.Layers;

/// <summary>A linear layer whose weight is kept, and trained, in 8 bits per number.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b with W m × n = scale · (code − zero), one scale and zero point for every group of the weight read row by row. Forward and backward decode
/// it for one product and free it again.</para>
/// <para>In the state dict: <c>weight</c> (without entries), <c>bias</c>, <c>weight_codes</c> (uint8, m × n), <c>weight_scales</c> (float32),
/// <c>weight_zeros</c> (uint8). Bytes of the weight: 1 + 5 / group for each number.</para>
/// <para><see cref="weight"/> is a parameter without entries that takes the gradient of the whole weight, so that <c>parameters()</c>, <c>zero_grad</c> and
/// gradient clipping work as for any layer. No optimizer but a <see cref="LowRankOptimizer"/> can update it.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296, section 3.3.</para>
/// </remarks>
public sealed class Int8Linear : ReparameterizedLinear, IWeightStore
{
    private const int Bits = 8;
    private const string CodesName = "weight_codes", ScalesName = "weight_scales", ZerosName = "weight_zeros";

    /// <summary>Quantizes the weight of a linear layer, to the nearest, and shares its bias. The layer itself is left as it is.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="group">Numbers that share a scale, at least 1. Default 256 (Q-GaLore).</param>
    /// <exception cref="ArgumentException">A group below 1.</exception>
    public Int8Linear(Linear source, int group = AffineQuantization.DefaultGroup) : base(nameof(Int8Linear))
    {
        ArgumentNullException.ThrowIfNull(source);
        using var guard = no_grad();

        Group = group;
        var (codes, scales, zeros) = AffineQuantization.Quantize(source.weight, Bits, group);
        Own(WeightName, new Parameter(empty([0], source.weight.dtype, source.weight.device), source.weight.requires_grad));
        Own(BiasName, source.bias);
        OwnBuffer(CodesName, codes);
        OwnBuffer(ScalesName, scales);
        OwnBuffer(ZerosName, zeros);
        ShareWith(source);
    }

    /// <value>Stands for W where gradients are concerned: it has no entries, and its gradient is m × n.</value>
    public Parameter weight => Part(WeightName);

    /// <inheritdoc/>
    public override long in_features => Codes.shape[1];

    /// <inheritdoc/>
    public override long out_features => Codes.shape[0];

    /// <value>The short side: the whole weight is trained.</value>
    public override long Rank => Math.Min(in_features, out_features);

    /// <value>Numbers that share a scale.</value>
    public int Group { get; }

    /// <value>Bytes that the weight takes between steps.</value>
    public long WeightBytes => new[] { Codes, Scales, Zeros }.Sum(tensor => tensor.NumberOfElements * tensor.ElementSize);

    /// <value>Whether a session is training it, which knows the plain layer to come back.</value>
    internal bool IsAtWork { get; set; }

    /// <inheritdoc/>
    protected override Tensor Output(Tensor rows)
    {
        using var tap = GradientTap.Of(weight, rows, [rows.size(0), out_features], new(Sink, weight));
        return bias is null ? Int8Product.apply(rows, tap, this) : Int8Product.apply(rows, tap, this, bias);
    }

    /// <summary>W as a new tensor, in the dtype of the layer that this one was made from.</summary>
    public override Tensor EffectiveWeight() => Decode(weight.dtype);

    /// <summary>A plain layer that can be in its place, with its bias. Its weight has no values yet.</summary>
    internal Linear ToPlain(Device device)
    {
        var plain = nn.Linear(in_features, out_features, hasBias: false, device, weight.dtype);
        plain.weight.requires_grad = weight.requires_grad;
        plain.bias = bias!;
        plain.train(training);
        ShareWith(plain);
        return plain;
    }

    /// <inheritdoc/>
    long[] IWeightStore.Shape => Codes.shape;

    /// <inheritdoc/>
    Tensor IWeightStore.Open() => Decode(weight.dtype.Computing());

    /// <inheritdoc/>
    void IWeightStore.Close(Tensor accumulator, in StepContext step)
    {
        using var scope = NewDisposeScope();
        using var generator = step.Generator("rounding");
        var (codes, scales, zeros) = AffineQuantization.Quantize(accumulator, Bits, Group, generator);
        Codes.copy_(codes);
        Scales.copy_(scales);
        Zeros.copy_(zeros);
    }

    internal override GradientSink Sink { get; } = new();

    private Tensor Codes => Buffer(CodesName);

    private Tensor Scales => Buffer(ScalesName);

    private Tensor Zeros => Buffer(ZerosName);

    private Tensor Decode(ScalarType dtype) => AffineQuantization.Dequantize(Codes, Scales, Zeros, Bits, Group, Codes.shape, dtype);
}
