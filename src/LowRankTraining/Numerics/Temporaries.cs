namespace LowRankTraining.Numerics;

/// <summary>Temporaries of a step, where a dispose scope for each would cost more than the work on them.</summary>
internal static class Temporaries
{
    /// <summary>Frees what the current dispose scope would free later; nothing that somebody has taken over since.</summary>
    public static void Free(this Tensor? temporary)
    {
        if (temporary is not null && CurrentDisposeScope is { } scope && scope.Contains(temporary))
            temporary.Dispose();
    }
}
