using LowRankTraining.Parts;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Muon: momentum whose singular values are all brought to 1, for the matrices of layers; AdamW for everything else.</summary>
/// <remarks>
/// <para>M ← μM + (1 − μ)G; O = polar(μM + (1 − μ)G), by Newton-Schulz; W ← (1 − ηλ) W − 0.2 η √max(m, n) O: see <see cref="PolarRule"/>.</para>
/// <para>State of a matrix: m n numbers, half of AdamW's; in 8 bits an eighth.</para>
/// <para>Differences from the authors' code: steps are scaled to AdamW's size (arXiv 2502.16982), so that one learning rate serves all parameters, and the
/// products of Newton-Schulz are those of float32. <see cref="Compatibility.ReferenceCode"/> has √max(1, m/n) and bfloat16 by default.</para>
/// <para>Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/ (2024); Liu et al., Muon is
/// Scalable for LLM Training, arXiv 2502.16982.</para>
/// </remarks>
public sealed record Muon : AdamMethod
{
    private readonly bool? _inBFloat16;
    private readonly PolarScaling? _scaling;

    /// <summary>The defaults: β₂ of AdamW 0.95 (Muon's code).</summary>
    public Muon() => Beta2 = 0.95;

    /// <inheritdoc/>
    public override string Name => "muon";

    /// <value>μ, decay of the momentum, in [0, 1); 0 keeps none. Default 0.95 (Muon).</value>
    public double Momentum { get; init; } = 0.95;

    /// <value>Whether the update looks one step ahead. Default true (Muon).</value>
    public bool Nesterov { get; init; } = true;

    /// <value>Newton-Schulz steps, from 1 to 100; null for the exact polar factor, which takes far longer. Default 5 (Muon).</value>
    public int? NewtonSchulzSteps { get; init; } = 5;

    /// <value>Whether the products of Newton-Schulz are those of bfloat16: see <see cref="PolarRule.InBFloat16"/>. Default false; under
    /// <see cref="Compatibility.ReferenceCode"/> true, unless the polar factor is exact.</value>
    public bool InBFloat16 { get => _inBFloat16 ?? (FollowsCode && NewtonSchulzSteps is not null); init => _inBFloat16 = value; }

    /// <value>What steps on matrices are multiplied by. Default: <see cref="PolarScaling.RootMeanSquare"/>; under <see cref="Compatibility.ReferenceCode"/>
    /// <see cref="PolarScaling.AspectRatio"/>.</value>
    public PolarScaling Scaling { get => _scaling ?? (FollowsCode ? PolarScaling.AspectRatio : PolarScaling.RootMeanSquare); init => _scaling = value; }

    /// <inheritdoc/>
    protected override DecayTiming Decay => DecayTiming.BeforeUpdate;

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    private PolarRule Polar => new()
    {
        Momentum = Momentum,
        Nesterov = Nesterov,
        NewtonSchulzSteps = NewtonSchulzSteps,
        InBFloat16 = InBFloat16,
        Scaling = Scaling,
        States = States,
    };

    /// <inheritdoc/>
    protected override UpdateRule RuleFor(in ParameterRole role) =>
        role.IsTarget ? Polar : role.IsTable ? Adam.WithStates(TableStates) : Adam;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Fraction(Momentum)
            .Unused(Momentum > 0, Nesterov, true, "there is no momentum")
            .Between(1, 100, NewtonSchulzSteps ?? 1, nameof(NewtonSchulzSteps))
            .Unused(NewtonSchulzSteps is not null, InBFloat16, false, "the polar factor is exact")
            .Defined(Scaling);
    }

    /// <summary>Muon in place of <c>torch.optim.AdamW</c>: orthogonalized momentum for matrices, AdamW for embeddings, the output head and vectors.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Embeddings and the output head are names containing "embed" or "lm_head".</param>
    /// <param name="lr">Learning rate of all parameters. Default 1e-3, as AdamW's.</param>
    /// <param name="momentum">Decay of the momentum. Default 0.95 (Muon).</param>
    /// <param name="beta1">Decay of AdamW's first moment.</param>
    /// <param name="beta2">Decay of AdamW's second moment.</param>
    /// <param name="eps">Term added to AdamW's denominator.</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 1e-3, double momentum = 0.95, double beta1 = 0.9, double beta2 = 0.95, double eps = 1e-8, double weight_decay = 0) =>
        Of(momentum, beta1, beta2, eps).Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    /// <summary>The same for the parameters of a model, whose modules tell which of them are embeddings.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, double, double, double, double, double)"/>
    public static LowRankOptimizer AdamW(
        nn.Module model,
        double lr = 1e-3, double momentum = 0.95, double beta1 = 0.9, double beta2 = 0.95, double eps = 1e-8, double weight_decay = 0) =>
        Of(momentum, beta1, beta2, eps).Attach(model).CreateOptimizer(lr, weight_decay);

    private static Muon Of(double momentum, double beta1, double beta2, double epsilon) =>
        new() { Momentum = momentum, Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon };
}
