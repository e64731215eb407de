namespace LowRankTraining.Layers;

/// <summary>When factors are at work, and when they are merged and drawn again: all of it from the number of completed steps.</summary>
/// <param name="WarmStart">Steps of full-rank training before the factors take over.</param>
/// <param name="Every">Steps from one merge to the next; null for none.</param>
internal readonly record struct RestartClock(long WarmStart, long? Every)
{
    /// <value>Factors that are at work from the start, and stay.</value>
    public static RestartClock Never { get; } = new(WarmStart: 0, Every: null);

    public bool HasRestarts => Every is not null;

    public bool IsActiveAfter(long completed) => completed >= WarmStart;

    public bool IsRestartAfter(long completed) => completed > WarmStart && (completed - WarmStart) % Every == 0;

    public long RestartsAfter(long completed) => completed <= WarmStart || Every is null ? 0 : (completed - WarmStart) / Every.Value;

    /// <summary>The step of the last restart; 0 before the first.</summary>
    public long LastRestartAt(long completed) => RestartsAfter(completed) is > 0 and var restarts ? WarmStart + restarts * Every!.Value : 0;
}
