using System.Diagnostics.CodeAnalysis;

namespace LowRankTraining.Layers;

/// <summary>How factors are made and trained, of a method or of one matrix. Whatever else happens to them is a <see cref="FactorFeature"/>.</summary>
internal sealed record FactorSettings : AdapterSettings
{
    [SetsRequiredMembers]
    public FactorSettings(AdapterSettings common) : base(common) { }

    public double Scale { get; init; } = 1;

    /// <value>η_B / η_A.</value>
    public double LearningRateRatio { get; init; } = 1;

    public FactorStart Start { get; init; } = FactorStart.Kaiming;

    /// <value>What factors that are drawn again start from; null for what the first ones do.</value>
    public FactorStart? NextStart { get; init; }

    public MergeRounding Rounding { get; init; } = MergeRounding.Stochastic;

    /// <value>In the order in which they act.</value>
    public IReadOnlyList<FactorFeature> Features { get; init; } = [];

    /// <value>Whether the factors are at work from the first step on, and the weight is never trained.</value>
    public bool IsActiveAtOnce => IsActiveAfter(0);

    /// <summary>Whether the factors are at work after so many steps.</summary>
    public bool IsActiveAfter(long completed) => Features.All(feature => feature.IsActiveAfter(completed));

    /// <summary>The rank after so many steps, at most the short side of the matrix.</summary>
    public long RankAfter(long completed, long limit) =>
        Math.Clamp(Features.Aggregate(Rank, (rank, feature) => feature.RankAfter(completed, rank)), 1, limit);

    /// <summary>How a factor is trained.</summary>
    public UpdateRule RuleOf(string factor) => Features.Aggregate((UpdateRule)Adam, (rule, feature) => feature.RuleFor(factor, this, rule));

    /// <summary>What factors start from that are drawn after so many steps.</summary>
    public FactorStart StartAfter(long completed) => RestartsAfter(completed) == 0 ? Start : NextStart ?? Start;

    /// <summary>Seed of A as it is drawn after so many steps.</summary>
    public ulong DrawKey(string weight, long completed) => RandomKey.For(Seed, weight, LowRankFactors.A, RestartsAfter(completed));

    /// <summary>Seed of anything else.</summary>
    public ulong Key(string weight, string purpose, long completed) => RandomKey.For(Seed, weight, purpose, completed);

    /// <summary>What the rounding of moments is keyed by where they are changed between two steps.</summary>
    public StepContext StepOf(string weight, string moments, long completed) => new() { Step = completed, Seed = Seed, Parameter = $"{weight}, {moments}" };

    private long RestartsAfter(long completed) => Features.Sum(feature => feature.RestartsAfter(completed));
}
