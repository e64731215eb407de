namespace LowRankTraining.Layers;

/// <summary>What becomes of the factors' optimizer state when their rank changes between restarts.</summary>
public enum RankChangeState
{
    /// <summary>It follows: first moments by the linear map that gradients follow, second moments by its squared entries. New rows start with the mean of the
    /// others' second moments, so that their first steps are not larger than those of the rest.</summary>
    Carry,

    /// <summary>Moments and step counter start from zero.</summary>
    Reset,
}
