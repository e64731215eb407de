namespace LowRankTraining.Layers;

/// <summary>What is done otherwise with parameters of some names.</summary>
internal sealed record OwnTraining(string Pattern)
{
    /// <value>r of adapted matrices; null for the method's.</value>
    public int? Rank { get; init; }

    /// <value>α of adapted matrices; null for the method's.</value>
    public double? Alpha { get; init; }

    /// <value>How the moments of what is not adapted are stored; null as the method does.</value>
    public StateFormat? States { get; init; }

    /// <value>Factor on the learning rate.</value>
    public double LearningRate { get; init; } = 1;

    /// <value>Factor on the weight decay.</value>
    public double WeightDecay { get; init; } = 1;

    /// <value>Whether they are neither adapted nor trained.</value>
    public bool IsFrozen { get; init; }

    /// <summary>A plan with the factors of this row.</summary>
    public ParameterPlan Applied(ParameterPlan plan) => plan with
    {
        LearningRateMultiplier = plan.LearningRateMultiplier * LearningRate,
        WeightDecayMultiplier = plan.WeightDecayMultiplier * WeightDecay,
    };
}
