namespace Compare;

/// <summary>How far a comparison has come.</summary>
internal enum ComparisonState
{
    /// <summary>There is more to come.</summary>
    Running,

    /// <summary>It was interrupted, and nothing more will come.</summary>
    Interrupted,

    /// <summary>Every run was done, or failed.</summary>
    Complete,
}
