namespace LowRankTraining.Subspace;

/// <summary>When a subspace is found anew. The first one is always found at a parameter's first update.</summary>
public interface IRefreshPolicy
{
    /// <summary>Whether the subspace is found anew before the next update.</summary>
    /// <param name="completed">Updates of this parameter so far, at least 1.</param>
    /// <param name="index">The parameter's position in the session.</param>
    bool IsDue(long completed, int index);
}
