using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>A linear layer whose frozen weight is turned by trainable low-rank factors, and whose rows get trainable lengths.</summary>
/// <remarks>
/// <para>y = x W′ᵀ + b with W′ = diag(m / c) (W + s B A) and c = ‖W + s B A‖ of every row; x (..., n), W m × n, A r × n, B m × r, m and c m entries.
/// A starts uniform in ±1/√n, B at zero and m at ‖W‖, so the layer starts as the plain one that it was made from.</para>
/// <para>c is a constant to the backward pass unless asked otherwise. It is found from products of the size m × r: neither B A nor W′ is ever made.</para>
/// <para>In the state dict: <c>weight</c>, <c>bias</c>, <c>lora_A</c>, <c>lora_B</c>, <c>lora_magnitude_vector</c>.</para>
/// <para>Source: Liu et al., DoRA, arXiv 2402.09353, equations 5 to 7 and section 4.3.</para>
/// </remarks>
public sealed class DoRALinear : nn.Module<Tensor, Tensor>
{
    internal const string MagnitudeName = "lora_magnitude_vector";

#pragma warning disable IDE0044 // TorchSharp writes these fields when the module moves.
    [ComponentName(Name = "weight")]
    private Parameter _weight;

    [ComponentName(Name = "bias")]
    private Parameter? _bias;

    [ComponentName(Name = LowRankFactors.A)]
    private Parameter _a;

    [ComponentName(Name = LowRankFactors.B)]
    private Parameter _b;

    [ComponentName(Name = MagnitudeName)]
    private Parameter _magnitude;
#pragma warning restore IDE0044

    private readonly bool _normGradient;

    /// <summary>Puts factors and magnitudes beside a linear layer, whose weight (frozen from now on) and bias it shares.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="rank">r, at least 1 and at most the short side of the weight.</param>
    /// <param name="scale">s, a factor on the product B A; α/r in LoRA. Default 1.</param>
    /// <param name="dropout">Probability with which an input entry does not reach the factors, in [0, 1). The norm is that without dropout. Default 0.</param>
    /// <param name="key">Seed of A and of the masks. Default 0.</param>
    /// <param name="normGradient">Whether c has a gradient: exact, and slower. Default false (DoRA, section 4.3).</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank, scale or dropout out of range.</exception>
    public DoRALinear(Linear source, int rank, double scale = 1, double dropout = 0, ulong key = 0, bool normGradient = false) : base(nameof(DoRALinear))
    {
        LowRankFactors.Require(source, rank, scale, dropout);

        (_weight, _bias, Scale, _normGradient) = (source.weight, source.bias, scale, normGradient);
        Mask = DropoutMask.For(key, dropout);
        (_a, _b) = LowRankFactors.Make(_weight, rank, key);
        _magnitude = Magnitudes(_weight, _a, _b, scale);
        _weight.requires_grad = false;
        RegisterComponents();
    }

    /// <value>W, m × n; the same object as the source's.</value>
    public Parameter weight => _weight;

    /// <value>b, m entries, or null.</value>
    public Parameter? bias => _bias;

    /// <value>A, r × n.</value>
    public Parameter lora_A => _a;

    /// <value>B, m × r.</value>
    public Parameter lora_B => _b;

    /// <value>m, the lengths of W′'s rows.</value>
    public Parameter lora_magnitude_vector => _magnitude;

    /// <value>s, the factor on the product B A.</value>
    public double Scale { get; }

    /// <value>Whether factors and magnitudes take part. Default true.</value>
    public bool Enabled { get; set; } = true;

    /// <value>What drops entries, or null.</value>
    internal DropoutMask? Mask { get; }

    /// <value>Whether the layer has been run.</value>
    internal bool Reached { get; private set; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Reached = true;

        var rows = LowRankFactors.Rows(input);
        var output = Enabled ? Turned(rows) : nn.functional.linear(rows, _weight, _bias);
        return output.reshape([.. input.shape[..^1], _weight.shape[0]]).MoveToOuterDisposeScope();
    }

    /// <summary>W′ as a new tensor, in float32 (float64 for a float64 weight): what the layer multiplies by.</summary>
    public Tensor EffectiveWeight() => RowMagnitudes.Effective(_weight, _a, _b, _magnitude, Scale);

    /// <summary>m = ‖W‖ while B is zero, by the formula of the forward pass, so that m / c is 1 and not nearly so.</summary>
    internal static Parameter Magnitudes(Tensor weight, Tensor a, Tensor b, double scale)
    {
        using var guard = no_grad();
        var magnitude = new Parameter(RowMagnitudes.Norms(weight.detach(), a.detach(), b.detach(), scale));
        magnitude.DetachFromDisposeScope();
        return magnitude;
    }

    /// <summary>m / c.</summary>
    /// <remarks>A row of one number has no direction, so the exact gradient of its factors is zero, and Adam would make steps of the rounding noise: there the norm stays a constant.</remarks>
    internal static Tensor Gain(Tensor weight, Tensor a, Tensor b, Tensor magnitude, double scale, bool normGradient)
    {
        using var norms = normGradient && weight.shape[1] > 1 ? RowMagnitudes.Norms(weight, a, b, scale) : RowMagnitudes.Norms(weight.detach(), a.detach(), b.detach(), scale);
        return magnitude / norms;
    }

    private Tensor Turned(Tensor rows)
    {
        var direction = nn.functional.linear(rows, _weight).addmm_(LowRankFactors.Hidden(rows, _a, Scale, Mask, training), _b.t());
        var output = direction.mul(Gain(_weight, _a, _b, _magnitude, Scale, _normGradient));
        return _bias is null ? output : output.add_(_bias);
    }
}
