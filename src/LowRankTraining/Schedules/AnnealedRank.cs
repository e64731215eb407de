namespace LowRankTraining.Schedules;

/// <summary>A rank that falls fast at first and slowly in the end.</summary>
/// <remarks>
/// <para>r(t) = round(r (b + (1 − b) (1 − p)³)), with p = (t − t₀) / (t₁ − t₀) within 0 and 1, looked at every T steps from t₀ on.</para>
/// <para>Source: the budget of Zhang et al., AdaLoRA, arXiv 2303.10512, shared out evenly: there importance shares it
/// out among the matrices, and what is dropped is lost.</para>
/// </remarks>
public sealed record AnnealedRank : IRankSchedule
{
    /// <value>b, share of the options' rank at the end; in (0, 1]. Default ⅔ (PEFT: from 12 to 8).</value>
    public double To { get; init; } = 2 / 3.0;

    /// <value>t₀, the step up to which the rank is whole; at least 0. Default 0.</value>
    public long Start { get; init; }

    /// <value>t₁, the step from which the rank stays; above <see cref="Start"/>.</value>
    public required long End { get; init; }

    /// <value>T, steps from one look to the next; at least 1. Default 1 (PEFT).</value>
    public long Every { get; init; } = 1;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Ratio(To)
        .AtLeast(0, Start)
        .Above(Start, End)
        .AtLeast(1, Every);

    /// <inheritdoc/>
    public long RankFor(long rank, long step)
    {
        var left = Math.Pow(1 - RankRules.Progress(step, Start, End, Every), 3);
        return RankRules.Rounded(rank * (To + (1 - To) * left));
    }
}
