using LowRankTraining.Parts;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>SinkGD: gradients whose rows and columns all have one length, without any memory, for the matrices of layers; AdamW for everything else.</summary>
/// <remarks>
/// <para>Five times: rows ← √n rows / ‖row‖, columns ← √m columns / ‖column‖; W ← (1 − ηλ) W − α η X: see <see cref="SinkhornRule"/>.</para>
/// <para>State of a matrix: none.</para>
/// <para>Differences from the paper: none known; no authors' code is public.</para>
/// <para>Source: Scetbon, Ma, Gong and Meeds, Gradient Multi-Normalization for Stateless and Scalable LLM Training, arXiv 2502.06742, algorithms 3 and
/// 4.</para>
/// </remarks>
public sealed record SinkGD : AdamMethod
{
    /// <inheritdoc/>
    public override string Name => "sinkgd";

    /// <value>L, passes over rows and columns, from 1 to 100. Default 5 (SinkGD).</value>
    public int Iterations { get; init; } = 5;

    /// <value>α, a factor on the steps of matrices, beside AdamW's of one learning rate; above 0. Default 0.05 (SinkGD).</value>
    public double Scale { get; init; } = 0.05;

    /// <inheritdoc/>
    protected override UpdateRule RuleFor(in ParameterRole role) =>
        role.IsTarget ? new SinkhornRule { Iterations = Iterations, Scale = Scale } : role.IsTable ? Adam.WithStates(TableStates) : Adam;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Between(1, 100, Iterations)
            .Above(0, Scale);
    }

    /// <summary>SinkGD in place of <c>torch.optim.AdamW</c>: normalized gradients for matrices, AdamW for embeddings, the output head and vectors.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Embeddings and the output head are names containing "embed" or "lm_head".</param>
    /// <param name="lr">Learning rate of AdamW, and <paramref name="alpha"/> times it that of the matrices. Default 0.02 (SinkGD).</param>
    /// <param name="alpha">Factor on the steps of matrices. Default 0.05 (SinkGD).</param>
    /// <param name="weight_decay">Decoupled weight decay. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer AdamW(
        IEnumerable<(string name, Parameter parameter)> named_parameters, double lr = 0.02, double alpha = 0.05, double weight_decay = 0) =>
        new SinkGD { Scale = alpha }.Attach(named_parameters).CreateOptimizer(lr, weight_decay);

    /// <summary>The same for the parameters of a model, whose modules tell which of them are embeddings.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{ValueTuple{string, Parameter}}, double, double, double)"/>
    public static LowRankOptimizer AdamW(nn.Module model, double lr = 0.02, double alpha = 0.05, double weight_decay = 0) =>
        new SinkGD { Scale = alpha }.Attach(model).CreateOptimizer(lr, weight_decay);
}
