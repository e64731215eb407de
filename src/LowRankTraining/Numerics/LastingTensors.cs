namespace LowRankTraining.Numerics;

/// <summary>State and weights that are made, or changed, by a call and outlive it.</summary>
internal static class LastingTensors
{
    /// <summary>Leaves a program's <c>inference_mode()</c> until it is disposed: what is made in it could never be changed outside.</summary>
    public static IDisposable? Begin() => is_inference_mode_enabled() ? inference_mode(false) : null;
}
