namespace LowRankTraining.Mixing;

/// <summary>Options of <see cref="GradientAlignmentMixer"/>. The paper gives no values for a mixture of sources: the defaults are ours.</summary>
public sealed record GradientAlignmentOptions : IPart
{
    /// <value>τ, above 0: probabilities are softmax(φ/τ) before the floor. Default 1.</value>
    public double Temperature { get; init; } = 1;

    /// <value>ε, in [0, 1]: every source is drawn with a probability of at least ε/K, so that none is dropped and each goes on being measured. 1 draws from
    /// all alike. Default 0.1.</value>
    public double Floor { get; init; } = 0.1;

    /// <value>Step of Adam on the logits φ, above 0. Default 0.1.</value>
    public double LearningRate { get; init; } = 0.1;

    /// <value>Decay of each source's average reward, in [0, 1). Default 0.9.</value>
    public double BaselineDecay { get; init; } = 0.9;

    /// <value>M, optimizer updates from one step of the policy to the next, at least 1. Default 10.</value>
    public long UpdateEvery { get; init; } = 10;

    /// <value>Updates in which all sources are drawn alike while their rewards are averaged, at least 0. A new model learns at first what all data have in
    /// common (which letters are frequent), and noise teaches that best. Default 100.</value>
    public long Warmup { get; init; } = 100;

    /// <value>Whether rewards are cosines, in [−1, 1], in place of products, which favor sources with large gradients. Default true.</value>
    public bool Normalize { get; init; } = true;

    /// <value>Names of the sources whose loss is to fall: only their gradients reward, and updates without any of them reward nothing. Default: none named, and
    /// every update rewards the one before.</value>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <value>Seed of the draws. Default 0.</value>
    public ulong Seed { get; init; }

    /// <value>Where every step of the policy is reported, at level Debug; null for nowhere.</value>
    public ILogger? Logger { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(0, Temperature)
        .Between(0, 1, Floor)
        .Above(0, LearningRate)
        .Fraction(BaselineDecay)
        .AtLeast(1, UpdateEvery)
        .AtLeast(0, Warmup)
        .Require(Targets is not null, $"{nameof(Targets)} is null: leave it empty where every update is to reward the one before.");
}
