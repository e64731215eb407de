namespace LowRankTraining.Layers;

/// <summary>A linear layer with a frozen weight W, m × n, and trained factors A, r × n, and B, m × r, beside it.</summary>
/// <remarks>A starts uniform in ±1/√n and B at zero. In the state dict: <c>weight</c>, <c>bias</c>, <c>lora_A</c>, <c>lora_B</c>.</remarks>
public abstract class FactorLayer : ReparameterizedLinear
{
    /// <summary>Puts factors beside a linear layer, whose weight (frozen from now on) and bias it shares.</summary>
    /// <param name="name">The name of the layer's type.</param>
    /// <param name="source">The plain layer.</param>
    /// <param name="rank">r, at least 1 and at most the short side of the weight.</param>
    /// <param name="scale">s, a factor on the product B A; α/r in LoRA.</param>
    /// <param name="dropout">Probability with which an input entry does not reach the factors, in [0, 1).</param>
    /// <param name="key">Seed of A and of the masks.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank, scale or dropout out of range.</exception>
    protected FactorLayer(string name, Linear source, int rank, double scale, double dropout, ulong key)
        : this(name, source, rank, scale, dropout, key, sharesWeight: true) { }

    private protected FactorLayer(string name, Linear source, int rank, double scale, double dropout, ulong key, bool sharesWeight) : base(name)
    {
        LowRankFactors.Require(source, rank, scale, dropout);

        (Scale, Dropout, Mask) = (scale, dropout, DropoutMask.For(key, dropout));
        var (a, b) = LowRankFactors.Make(source.weight, rank, key);
        Own(WeightName, sharesWeight ? source.weight : null);
        Own(BiasName, source.bias);
        Own(LowRankFactors.A, a);
        Own(LowRankFactors.B, b);
        ShareWith(source);
        if (sharesWeight)
            source.weight.requires_grad = false;
    }

    /// <value>A, r × n.</value>
    public Parameter lora_A => Part(LowRankFactors.A);

    /// <value>B, m × r.</value>
    public Parameter lora_B => Part(LowRankFactors.B);

    /// <inheritdoc/>
    public override long in_features => lora_A.shape[1];

    /// <inheritdoc/>
    public override long out_features => lora_B.shape[0];

    /// <value>r.</value>
    public override long Rank => lora_A.shape[0];

    /// <value>s, the factor on the product B A.</value>
    public double Scale { get; }

    /// <value>Probability with which an input entry does not reach the factors while training.</value>
    public double Dropout { get; }

    /// <value>Whether the factors take part. Default true.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>h, which the gradient of B needs.</summary>
    protected internal override long KeptBytesPerRow => Rank * lora_B.ElementSize;

    /// <value>What drops entries of the input, or null.</value>
    internal DropoutMask? Mask { get; }

    /// <value>Whether the weight can take the factors in, and give them back bit for bit. Default true.</value>
    internal virtual bool CanUnmerge => true;

    /// <value>Whether the weight gives its memory back while it is frozen. Default false.</value>
    internal virtual bool FreesWeight => false;

    /// <value>Bytes of the weight while it is not trained, as it is kept.</value>
    internal virtual long FrozenBytes => Frozen.requires_grad ? 0 : Frozen.NumberOfElements * Frozen.ElementSize;

    /// <value>What a reader should know about the layer, or null.</value>
    internal virtual string? Note => null;

    private protected Parameter Frozen => Part(WeightName);

    /// <summary>Folds the factors into the weight and sets B to zero. The layer computes what it computed before, up to one rounding of the weight.</summary>
    /// <param name="rounding">Rounds stochastically where the weight is not kept in full precision; to the nearest when null.</param>
    /// <exception cref="InvalidOperationException">The factors hold NaN or infinity. Nothing was changed.</exception>
    public void Merge(Generator? rounding = null)
    {
        if (!LowRankFactors.AreFinite([.. Parts.Select(part => part.Parameter)]))
            throw new InvalidOperationException("The low-rank factors hold NaN or infinity and were not merged: the training has diverged. "
                + "Go back to a checkpoint and lower the learning rate.");

        using var guard = no_grad();
        FoldIn(rounding);
        lora_B.zero_();
    }

    /// <summary>Gives the factors other values of the same shapes.</summary>
    internal void Take(Tensor a, Tensor b)
    {
        using var guard = no_grad();
        lora_A.copy_(a);
        lora_B.copy_(b);
    }

    internal override void After(long completed) => Mask?.After(completed);

    internal override Tensor AfterPlain(Tensor input, Tensor output)
    {
        if (Enabled)
            return base.AfterPlain(input, output);
        Reached = true;
        return output;
    }

    /// <summary>W ← the effective weight, rounded once. The factors stay as they are.</summary>
    /// <returns>What the rounding has lost, where that is asked for and anything is, else null.</returns>
    internal virtual Tensor? FoldIn(Generator? rounding, bool measures = false)
    {
        using var guard = no_grad();
        using var effective = EffectiveWeight();
        LowRankFactors.Write(effective, Frozen, rounding);
        return null;
    }

    /// <summary>W ← W + s B A for any factors.</summary>
    /// <returns>What the rounding has lost, where that is asked for and anything is, else null.</returns>
    internal virtual Tensor? Add(Tensor a, Tensor b, Generator? rounding, bool measures)
    {
        if (measures)
            return MergeLoss.OfMerge(Frozen, a, b, Scale);
        LowRankFactors.MergeInto(Frozen, a, b, Scale, rounding);
        return null;
    }

    /// <summary>Leaves the plain layer with the effective weight, when training ends.</summary>
    internal virtual void FoldInto(Linear plain, Generator? rounding) => FoldIn(rounding);

    /// <summary>Lets the factors take part, with the weight in the form that it has while it is frozen; or not, with a weight that can be trained.</summary>
    /// <returns>What that has lost of the weight, where that is asked for and anything is, else null.</returns>
    internal virtual Tensor? Activate(bool active, Linear plain, bool measures)
    {
        Enabled = active;
        return null;
    }

    /// <inheritdoc/>
    protected override Tensor Output(Tensor rows) => Enabled ? Change(rows, Plain(rows)) : Plain(rows);

    /// <summary>x Wᵀ + b.</summary>
    private protected virtual Tensor Plain(Tensor rows) => nn.functional.linear(rows, Frozen, bias);

    /// <summary>h = s x Aᵀ, N × r, some of whose inputs may be dropped.</summary>
    /// <param name="rows">x, N × n.</param>
    protected Tensor Hidden(Tensor rows) => LowRankFactors.Hidden(rows, lora_A, Scale, Mask, training);
}
