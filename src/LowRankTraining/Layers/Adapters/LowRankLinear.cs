using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A linear layer with a frozen weight and trainable low-rank factors beside it.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b + s (x Aᵀ) Bᵀ, with x (..., n), W m × n, A r × n, B m × r. A starts uniform in ±1/√n and B at zero, so the layer starts as the plain one
/// that it was made from.</para>
/// <para>For more than 2 m n / (m + n) rows in float32 or float64, and without dropout, it is computed as x (W + s B A)ᵀ +
/// b, which is less work; the sum lives for one product.</para>
/// <para>In the state dict: <c>weight</c>, <c>bias</c>, <c>lora_A</c>, <c>lora_B</c>.</para>
/// <para>Source: Hu et al., LoRA, arXiv 2106.09685, section 4.1.</para>
/// </remarks>
public sealed class LowRankLinear : ReparameterizedLinear
{
    /// <summary>Puts factors beside a linear layer, whose weight (frozen from now on) and bias it shares.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="rank">r, at least 1 and at most the short side of the weight.</param>
    /// <param name="scale">s, a factor on the product B A; α/r in LoRA. Default 1.</param>
    /// <param name="dropout">Probability with which an input entry does not reach the factors, in [0, 1). At 0 nothing is computed for it; else masks are drawn
    /// again for the backward pass, and none is kept. Default 0.</param>
    /// <param name="key">Seed of A and of the masks. Default 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank, scale or dropout out of range.</exception>
    public LowRankLinear(Linear source, int rank, double scale = 1, double dropout = 0, ulong key = 0) : base(nameof(LowRankLinear))
    {
        LowRankFactors.Require(source, rank, scale, dropout);

        (Scale, Dropout, Mask) = (scale, dropout, DropoutMask.For(key, dropout));
        var (a, b) = LowRankFactors.Make(source.weight, rank, key);
        Own(WeightName, source.weight);
        Own(BiasName, source.bias);
        Own(LowRankFactors.A, a);
        Own(LowRankFactors.B, b);
        ShareWith(source);
        weight.requires_grad = false;
    }

    /// <value>W, m × n; the same object as the source's.</value>
    public Parameter weight => Part(WeightName);

    /// <value>A, r × n.</value>
    public Parameter lora_A => Part(LowRankFactors.A);

    /// <value>B, m × r.</value>
    public Parameter lora_B => Part(LowRankFactors.B);

    /// <value>n, entries of an input row.</value>
    public long in_features => weight.shape[1];

    /// <value>m, entries of an output row.</value>
    public long out_features => weight.shape[0];

    /// <value>r.</value>
    public long Rank => lora_A.shape[0];

    /// <value>s, the factor on the product B A.</value>
    public double Scale { get; }

    /// <value>Probability with which an input entry does not reach the factors while training.</value>
    public double Dropout { get; }

    /// <value>Whether the factors take part. Default true.</value>
    public bool Enabled { get; set; } = true;

    /// <value>What drops entries, or null.</value>
    internal DropoutMask? Mask { get; }

    /// <value>What follows the inputs of training batches, or null.</value>
    internal InputNorms? Inputs { get; init; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Reached = true;

        var rows = LowRankFactors.Rows(input);
        if (training && is_grad_enabled())
            Inputs?.See(rows);

        var output = Enabled && !(Mask is not null && training) && MergedProduct.PaysFor(rows, weight) ? Merged(rows) : Apart(rows);
        return output.reshape([.. input.shape[..^1], out_features]).MoveToOuterDisposeScope();
    }

    private Tensor Merged(Tensor rows) => bias is null
        ? MergedProduct.apply(rows, weight, lora_A, lora_B, Scale)
        : MergedProduct.apply(rows, weight, lora_A, lora_B, Scale, bias);

    private Tensor Apart(Tensor rows)
    {
        var output = nn.functional.linear(rows, weight, bias);
        return Enabled ? output.addmm_(LowRankFactors.Hidden(rows, lora_A, Scale, Mask, training), lora_B.t()) : output;
    }

    /// <summary>W + s B A as a new tensor, in float32 (float64 for a float64 weight): what the layer multiplies by.</summary>
    public Tensor EffectiveWeight() => LowRankFactors.Effective(weight, lora_A, lora_B, Scale);

    /// <summary>Folds the factors into the weight and sets B to zero. The layer computes what it computed before, up to one rounding of the weight.</summary>
    /// <param name="rounding">Rounds a half-precision weight stochastically; to the nearest when null.</param>
    /// <exception cref="InvalidOperationException">The factors hold NaN or infinity. Nothing was changed.</exception>
    public void Merge(Generator? rounding = null)
    {
        if (!LowRankFactors.AreFinite(lora_A, lora_B))
            throw new InvalidOperationException("The low-rank factors hold NaN or infinity and were not merged: the training has diverged. "
                + "Go back to a checkpoint and lower the learning rate.");

        using var guard = no_grad();
        LowRankFactors.MergeInto(weight, lora_A, lora_B, Scale, rounding);
        lora_B.zero_();
    }
}
