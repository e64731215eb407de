namespace LowRankTraining.Layers;

/// <summary>How much of the factors' optimizer state is cleared at a restart.</summary>
public enum OptimizerReset
{
    /// <summary>All of it.</summary>
    Zero,

    /// <summary>All but a random share.</summary>
    RandomPruning,

    /// <summary>All but the entries with the largest first moments.</summary>
    MagnitudePruning,
}
