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
    protected override UpdateRule RuleForTarget(in ParameterRole target) => new SinkhornRule { Iterations = Iterations, Scale = Scale };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Between(1, 100, Iterations)
            .Above(0, Scale);
    }
}
