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

/// <summary>State and weights that are made, or changed, by a call and outlive it.</summary>
internal static class LastingTensors
{
    /// <summary>Leaves a program's <c>inference_mode()</c> until it is disposed: what is made in it could never be changed outside.</summary>
    public static IDisposable? Begin() => is_inference_mode_enabled() ? inference_mode(false) : null;
}
