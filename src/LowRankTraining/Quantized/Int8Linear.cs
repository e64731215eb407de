using LowRankTraining.Adapters;
using LowRankTraining.Numerics;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LowRankTraining.Quantized;

/// <summary>A linear layer whose weight is kept, and trained, in 8 bits a number.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b with W m × n = scale · (code − zero), one scale and zero point for every group of the weight read row by row. Forward and backward decode it for one product and forget it again.</para>
/// <para>In the state dict: <c>weight_codes</c> (uint8, m × n), <c>weight_scales</c> (float32), <c>weight_zeros</c> (uint8), <c>bias</c>.
/// Bytes of the weight: 1 + 5 / group for each number.</para>
/// <para><see cref="weight"/> is a parameter without memory of its own: it has the weight's shape and takes its gradient, so that <c>parameters()</c>, <c>zero_grad</c> and gradient clipping work as for any layer,
/// but its values mean nothing, no optimizer but a <see cref="LowRankOptimizer"/> can update it, and it is not in the state dict.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296, section 3.3.</para>
/// </remarks>
public sealed class Int8Linear : nn.Module<Tensor, Tensor>, IWeightStore
{
    private const int Bits = 8;
    private const string Weight = "weight";

#pragma warning disable IDE0044 // TorchSharp writes these fields when the module moves.
    [ComponentName(Name = Weight)]
    private Parameter _weight;

    [ComponentName(Name = "bias")]
    private Parameter? _bias;

    [ComponentName(Name = "weight_codes")]
    private Tensor _codes;

    [ComponentName(Name = "weight_scales")]
    private Tensor _scales;

    [ComponentName(Name = "weight_zeros")]
    private Tensor _zeros;
#pragma warning restore IDE0044

    /// <summary>Quantises the weight of a linear layer, to the nearest, and shares its bias. The layer itself is left as it is.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="group">Numbers that share a scale, at least 1. Default 256 (Q-GaLore).</param>
    /// <exception cref="ArgumentException">A group below 1.</exception>
    public Int8Linear(Linear source, int group = AffineQuantization.DefaultGroup) : base(nameof(Int8Linear))
    {
        ArgumentNullException.ThrowIfNull(source);
        using var guard = no_grad();

        (_bias, Group) = (source.bias, group);
        (_codes, _scales, _zeros) = AffineQuantization.Quantize(source.weight, Bits, group);
        _weight = Handle(source.weight);
        foreach (var tensor in new[] { _codes, _scales, _zeros, _weight })
            tensor.DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <value>Stands for W where gradients are concerned, m × n: its values mean nothing.</value>
    public Parameter weight => _weight;

    /// <value>b, m entries, or null; the same object as the source's.</value>
    public Parameter? bias => _bias;

    /// <value>n, entries of an input row.</value>
    public long in_features => _codes.shape[1];

    /// <value>m, entries of an output row.</value>
    public long out_features => _codes.shape[0];

    /// <value>Numbers that share a scale.</value>
    public int Group { get; }

    /// <value>Bytes that the weight takes between steps.</value>
    public long WeightBytes => new[] { _codes, _scales, _zeros }.Sum(tensor => tensor.NumberOfElements * tensor.ElementSize);

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var rows = LowRankFactors.Rows(input);
        var output = _bias is null ? Int8Product.apply(rows, _weight, this) : Int8Product.apply(rows, _weight, this, _bias);
        return output.reshape([.. input.shape[..^1], out_features]).MoveToOuterDisposeScope();
    }

    /// <summary>W as a new tensor, in the dtype of the layer that this one was made from.</summary>
    public Tensor EffectiveWeight() => Decode(_weight.dtype);

    /// <summary>Parameters and buffers by name, without <see cref="weight"/>.</summary>
    public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
    {
        // A parent has put all parameters below it in before it asks its children.
        var entries = base.state_dict(destination, prefix);
        entries.Remove(string.IsNullOrEmpty(prefix) ? Weight : $"{prefix}.{Weight}");
        return entries;
    }

    /// <inheritdoc/>
    Tensor IWeightStore.Open() => Decode(_weight.dtype.Computing());

    /// <inheritdoc/>
    void IWeightStore.Close(Tensor accumulator, in StepContext step)
    {
        using var scope = NewDisposeScope();
        using var generator = step.Generator("rounding", _codes.device);
        var (codes, scales, zeros) = AffineQuantization.Quantize(accumulator, Bits, Group, generator);
        _codes.copy_(codes);
        _scales.copy_(scales);
        _zeros.copy_(zeros);
    }

    /// <summary>∂W += ∂Yᵀ X, without a second matrix where there is one already.</summary>
    internal void AddGradient(Tensor outputGradient, Tensor rows)
    {
        if (!_weight.requires_grad)
            return;

        using var transposed = outputGradient.t();
        using var sum = _weight.grad;
        if (sum is not null)
        {
            sum.addmm_(transposed, rows);
            return;
        }

        using var first = transposed.mm(rows);
        _weight.grad = first;
    }

    /// <summary>Frees everything but the bias, when the layer has left the model.</summary>
    internal void Release()
    {
        _weight.grad = null!;
        foreach (var tensor in new[] { _codes, _scales, _zeros, _weight })
            tensor.Dispose();
    }

    private Tensor Decode(ScalarType dtype) => AffineQuantization.Dequantize(_codes, _scales, _zeros, Bits, Group, _codes.shape, dtype);

    /// <summary>One zero, seen as a whole matrix.</summary>
    private static Parameter Handle(Parameter source)
    {
        var zero = zeros(1, 1, source.dtype, source.device);
        return new Parameter(zero.expand(source.shape), source.requires_grad);
    }
}
