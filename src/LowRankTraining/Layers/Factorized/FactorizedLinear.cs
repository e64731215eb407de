namespace LowRankTraining.Layers;

/// <summary>A linear layer whose weight is a product of two thin factors.</summary>
/// <remarks>
/// <para>y = σ(x Vᵀ) Uᵀ + b, with x (..., n), V k × n, U m × k, and σ nothing by default: then the weight is W = U V. Beside a frozen weight W₀, where there is
/// one, y = x (W₀ + U V)ᵀ + b.</para>
/// <para>k (m + n) numbers instead of m n, and for N rows 6 N k (m + n) operations forward and backward instead of 6
/// N m n: less of both where k is below m n / (m + n).</para>
/// <para>In the state dict: <c>weight</c> (W₀), <c>bias</c>, <c>factor_U</c>, <c>factor_V</c>.</para>
/// </remarks>
public sealed class FactorizedLinear : ReparameterizedLinear
{
    internal const string NameOfU = "factor_U", NameOfV = "factor_V";

    /// <summary>Factorizes the weight of a linear layer by its truncated singular value decomposition, and shares
    /// its bias. The layer itself is left as it is.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="rank">k, at least 1 and at most the short side of the weight.</param>
    /// <param name="activation">σ. Default: none.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank out of range.</exception>
    public FactorizedLinear(Linear source, int rank, FactorActivation activation = FactorActivation.None)
        : this(source?.bias, FactorPair.OfSvd(Weight(source, rank), rank, key: 0), activation) => ShareWith(source!);

    /// <summary>A layer with random factors, to train from scratch or to load a state dict into: U and V normal, such
    /// that entries of U V have the variance 1 / (m + n).</summary>
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
        long inputs, long outputs, int rank, bool hasBias = true, FactorActivation activation = FactorActivation.None,
        ScalarType dtype = ScalarType.Float32, Device? device = null, ulong key = 0)
        : this(
            hasBias ? new Parameter(zeros(outputs, dtype, device ?? CPU)) : null,
            FactorPair.Gaussian(outputs, inputs, Checked(rank, Math.Min(outputs, inputs)), dtype, device ?? CPU, key),
            activation) { }

    internal FactorizedLinear(Parameter? bias, FactorPair factors, FactorActivation activation = FactorActivation.None, Parameter? frozen = null)
        : base(nameof(FactorizedLinear))
    {
        Activation = activation;
        Own(WeightName, frozen);
        Own(BiasName, bias);
        Own(NameOfU, new Parameter(factors.U));
        Own(NameOfV, new Parameter(factors.V));
        if (frozen is not null)
            frozen.requires_grad = false;
    }

    /// <value>W₀, m × n and frozen, or null.</value>
    public Parameter? weight => PartOrNull(WeightName);

    /// <value>U, m × k.</value>
    public Parameter factor_U => Part(NameOfU);

    /// <value>V, k × n.</value>
    public Parameter factor_V => Part(NameOfV);

    /// <inheritdoc/>
    public override long in_features => factor_V.shape[1];

    /// <inheritdoc/>
    public override long out_features => factor_U.shape[0];

    /// <value>k.</value>
    public override long Rank => factor_V.shape[0];

    /// <value>σ.</value>
    public FactorActivation Activation { get; }

    /// <inheritdoc/>
    protected internal override bool IsWeight => weight is null;

    /// <inheritdoc/>
    protected internal override bool HasPlainForm => Activation == FactorActivation.None;

    /// <summary>What comes into U, and where σ needs that too, what comes out of V.</summary>
    protected internal override long KeptBytesPerRow =>
        Rank * factor_U.ElementSize * (Activation is FactorActivation.SiLU or FactorActivation.GELU ? 2 : 1);

    /// <inheritdoc/>
    protected override Tensor Output(Tensor rows)
    {
        var output = nn.functional.linear(Activate(rows.mm(factor_V.t())), factor_U, bias);
        return weight is null ? output : output.addmm(rows, weight.t());
    }

    /// <summary>U V, plus W₀ where there is one, as a new tensor in float32 (float64 for float64 factors): what the layer multiplies by.</summary>
    /// <exception cref="InvalidOperationException">There is an activation between the factors: no weight does what the layer does.</exception>
    public override Tensor EffectiveWeight()
    {
        if (!HasPlainForm)
            throw new InvalidOperationException($"There is {Activation} between the factors, so there is no weight that does what the layer does. "
                + "Keep the layer.");

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var precise = factor_U.dtype.Computing();
        var product = factor_U.to(precise).mm(factor_V.to(precise));
        return (weight is null ? product : product.add_(weight)).MoveToOuterDisposeScope();
    }

    /// <summary>Takes other factors, perhaps of another rank. The parameters stay the same objects: TorchSharp keys optimizer state by them.</summary>
    internal void Take(FactorPair factors)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        (factor_U.grad, factor_V.grad) = (null!, null!);
        factor_U.set_(factors.U.to(factor_U.dtype).contiguous().clone());
        factor_V.set_(factors.V.to(factor_V.dtype).contiguous().clone());
    }

    internal override void Refactor()
    {
        using var balanced = RankReduction.Reduce(factor_V, factor_U, Rank);
        Take(new(balanced.B, balanced.A));
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

/// <summary>What happens between the two products of a <see cref="FactorizedLinear"/>.</summary>
public enum FactorActivation
{
    /// <summary>Nothing: the layer is linear, and its factors can be multiplied into a plain weight.</summary>
    None,

    /// <summary>x · sigmoid(x).</summary>
    SiLU,

    /// <summary>x · Φ(x).</summary>
    GELU,

    /// <summary>max(x, 0).</summary>
    ReLU,
}
