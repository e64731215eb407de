using LowRankTraining.Adapters;
using LowRankTraining.Numerics;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LowRankTraining.Factorized;

/// <summary>A linear layer whose weight is a product of two thin factors.</summary>
/// <remarks>
/// <para>y = σ(x Vᵀ) Uᵀ + b, with x (..., n), V k × n, U m × k, and σ nothing by default: then the weight is W = U V. Beside a frozen weight W₀, where there is one, y = x (W₀ + U V)ᵀ + b.</para>
/// <para>k (m + n) numbers instead of m n, and for N rows 6 N k (m + n) operations forward and backward instead of 6 N m n: less of both where k is below m n / (m + n).</para>
/// <para>In the state dict: <c>weight</c> (W₀), <c>bias</c>, <c>factor_U</c>, <c>factor_V</c>.</para>
/// </remarks>
public sealed class FactorizedLinear : nn.Module<Tensor, Tensor>
{
    internal const string NameOfU = "factor_U", NameOfV = "factor_V";

#pragma warning disable IDE0044 // TorchSharp writes these fields when the module moves.
    [ComponentName(Name = "weight")]
    private Parameter? _weight;

    [ComponentName(Name = "bias")]
    private Parameter? _bias;

    [ComponentName(Name = NameOfU)]
    private Parameter _u;

    [ComponentName(Name = NameOfV)]
    private Parameter _v;
#pragma warning restore IDE0044

    /// <summary>Factorises the weight of a linear layer by its truncated singular value decomposition, and shares its bias. The layer itself is left as it is.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="rank">k, at least 1 and at most the short side of the weight.</param>
    /// <param name="activation">σ. Default: none.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank out of range.</exception>
    public FactorizedLinear(Linear source, int rank, FactorActivation activation = FactorActivation.None)
        : this(source?.bias, FactorPair.OfSvd(Weight(source, rank), rank, key: 0), activation) { }

    /// <summary>A layer with random factors, to train from scratch or to load a state dict into: U and V normal, such that entries of U V have the variance 1 / (m + n).</summary>
    /// <param name="inputs">n.</param>
    /// <param name="outputs">m.</param>
    /// <param name="rank">k, at least 1 and at most the smaller of both.</param>
    /// <param name="hasBias">Whether there is a bias; it starts at zero. Default true.</param>
    /// <param name="activation">σ. Default: none.</param>
    /// <param name="dtype">Default: float32.</param>
    /// <param name="device">Default: the CPU.</param>
    /// <param name="key">Seed of the factors. Default 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank out of range.</exception>
    public FactorizedLinear(
        long inputs, long outputs, int rank, bool hasBias = true, FactorActivation activation = FactorActivation.None, ScalarType dtype = ScalarType.Float32, Device? device = null, ulong key = 0)
        : this(
            hasBias ? new Parameter(zeros(outputs, dtype, device ?? CPU)) : null,
            FactorPair.Gaussian(outputs, inputs, Checked(rank, Math.Min(outputs, inputs)), dtype, device ?? CPU, key),
            activation) { }

    internal FactorizedLinear(Parameter? bias, FactorPair factors, FactorActivation activation = FactorActivation.None, Parameter? frozen = null) : base(nameof(FactorizedLinear))
    {
        (_weight, _bias, Activation) = (frozen, bias, activation);
        (_u, _v) = (new Parameter(factors.U), new Parameter(factors.V));
        foreach (var parameter in new[] { _u, _v, _bias })
            parameter?.DetachFromDisposeScope();
        if (_weight is not null)
            _weight.requires_grad = false;
        RegisterComponents();
    }

    /// <value>W₀, m × n and frozen, or null.</value>
    public Parameter? weight => _weight;

    /// <value>b, m entries, or null; the same object as the source's.</value>
    public Parameter? bias => _bias;

    /// <value>U, m × k.</value>
    public Parameter factor_U => _u;

    /// <value>V, k × n.</value>
    public Parameter factor_V => _v;

    /// <value>n, entries of an input row.</value>
    public long in_features => _v.shape[1];

    /// <value>m, entries of an output row.</value>
    public long out_features => _u.shape[0];

    /// <value>k.</value>
    public long Rank => _v.shape[0];

    /// <value>σ.</value>
    public FactorActivation Activation { get; }

    /// <value>Whether the layer has been run.</value>
    internal bool Reached { get; private set; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Reached = true;

        var rows = LowRankFactors.Rows(input);
        var hidden = Activate(rows.mm(_v.t()));
        var output = nn.functional.linear(hidden, _u, _bias);
        if (_weight is not null)
            output = output.addmm(rows, _weight.t());

        return output.reshape([.. input.shape[..^1], out_features]).MoveToOuterDisposeScope();
    }

    /// <summary>U V, plus W₀ where there is one, as a new tensor in float32 (float64 for float64 factors): what the layer multiplies by.</summary>
    /// <exception cref="InvalidOperationException">There is an activation between the factors: no weight does what the layer does.</exception>
    public Tensor EffectiveWeight()
    {
        if (Activation != FactorActivation.None)
            throw new InvalidOperationException($"There is {Activation} between the factors, so there is no weight that does what the layer does. Keep the layer.");

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var precise = _u.dtype.Computing();
        var product = _u.to(precise).mm(_v.to(precise));
        return (_weight is null ? product : product.add_(_weight)).MoveToOuterDisposeScope();
    }

    /// <summary>Takes other factors, perhaps of another rank. The parameters stay the same objects: TorchSharp keys optimizer state by them.</summary>
    internal void Take(FactorPair factors)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        (_u.grad, _v.grad) = (null!, null!);
        _u.set_(factors.U.to(_u.dtype).contiguous().clone());
        _v.set_(factors.V.to(_v.dtype).contiguous().clone());
    }

    /// <summary>Frees the factors, when the layer has left the model.</summary>
    internal void Release()
    {
        (_u.grad, _v.grad) = (null!, null!);
        _u.Dispose();
        _v.Dispose();
    }

    private Tensor Activate(Tensor hidden) => Activation switch
    {
        FactorActivation.SiLU => nn.functional.silu(hidden),
        FactorActivation.GELU => nn.functional.gelu(hidden),
        FactorActivation.ReLU => nn.functional.relu(hidden),
        _ => hidden,
    };

    private static Parameter Weight(Linear? source, int rank)
    {
        ArgumentNullException.ThrowIfNull(source);
        Checked(rank, source.weight.shape.Min());
        return source.weight;
    }

    private static long Checked(int rank, long limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, limit);
        return rank;
    }
}
