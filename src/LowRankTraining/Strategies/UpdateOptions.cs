using Microsoft.Extensions.Logging;

namespace LowRankTraining.Strategies;

/// <summary>What the methods that change only the update rule have in common.</summary>
public abstract record UpdateOptions
{
    /// <value>Seed of whatever is drawn at random: bases, sketches, stochastic rounding. Default 0.</value>
    public ulong Seed { get; init; }

    /// <value>Whom to follow where paper and code differ. Default: the paper.</value>
    public Compatibility Compatibility { get; init; }

    /// <value>Where warnings go; null for nowhere.</value>
    public ILogger? Logger { get; init; }

    /// <value>Whether the authors' code is to be followed.</value>
    internal bool FollowsCode => Compatibility == Compatibility.ReferenceCode;

    /// <summary>When weight decay is applied: the code of most methods builds on an AdamW that applies it afterwards.</summary>
    internal virtual DecayTiming Decay => FollowsCode ? DecayTiming.AfterUpdate : DecayTiming.BeforeUpdate;
}
