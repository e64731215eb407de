namespace LowRankTraining.Strategies;

/// <summary>SCALE: gradients normalized output by output, momentum on the last layer alone; the least that keeps up with Adam.</summary>
/// <remarks>
/// <para>W ← (1 − ηλ) W − η U, where each row of U is that of G divided by its root mean square: see <see cref="RowNormRule"/>. For the table of an embedding
/// columns in place of rows; for the last layer M ← μM + (1 − μ)G in the place of G. Vectors are trained by AdamW.</para>
/// <para>The last layer is whatever matrix is no target and no table: by default what has "lm_head" in its name.</para>
/// <para>State: none, but for the last layer's m n numbers, and AdamW's of vectors.</para>
/// <para>Differences from the authors' code: none.</para>
/// <para>Source: Glentis, Li, Han and Hong, A Minimalist Optimizer Design for LLM Pretraining, arXiv 2506.16659, algorithm 1.</para>
/// </remarks>
public sealed record Scale : AdamMethod
{
    /// <inheritdoc/>
    public override string Name => "scale";

    /// <value>μ, decay of the last layer's momentum, in [0, 1); 0 keeps none. Default 0.9 (SCALE).</value>
    public double Momentum { get; init; } = 0.9;

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected override UpdateRule RuleFor(in ParameterRole role) => role switch
    {
        { Parameter: var parameter } when parameter.dim() < 2 || parameter.NumberOfElements == 0 => Adam,
        { IsTarget: true } => new RowNormRule(),
        { IsTable: true } => new RowNormRule { ByColumns = true },
        _ => new RowNormRule { Momentum = Momentum, States = States },
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Fraction(Momentum)
            .Unused(false, TableStates, StateFormat.Float32, "tables have no state");
    }
}
