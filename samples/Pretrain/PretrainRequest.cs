namespace Pretrain;

/// <summary>What the command line asked for.</summary>
internal sealed record PretrainRequest
{
    /// <value>What the run depends on, defaults filled in.</value>
    public required PretrainSettings Settings { get; init; }

    /// <value>Names of the options that were given, such as <c>--rank</c>.</value>
    public required IReadOnlySet<string> Given { get; init; }

    /// <value>auto, cpu or cuda.</value>
    public required string Device { get; init; }

    /// <value>Steps between validations.</value>
    public long? EvaluateEvery { get; init; }

    /// <value>Steps between checkpoints.</value>
    public long? SaveEvery { get; init; }

    /// <value>Folder of the run.</value>
    public string? Out { get; init; }

    /// <value>Whether to go on with the run in <see cref="Out"/>.</value>
    public bool Resume { get; init; }

    /// <value>Whether to end with a line of JSON.</value>
    public bool Json { get; init; }

    /// <value>Threads to compute with; null for the library's own choice.</value>
    public int? Threads { get; init; }

    /// <value>Whether only to validate the run in <see cref="Out"/>.</value>
    public bool EvalOnly { get; init; }

    /// <value>The text that the run in <see cref="Out"/> is to go on from; null to train.</value>
    public string? Generate { get; init; }

}
