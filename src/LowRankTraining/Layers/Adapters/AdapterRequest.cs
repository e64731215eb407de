namespace LowRankTraining.Layers;

/// <summary>A matrix that is to be adapted, and how.</summary>
/// <param name="Site">The matrix.</param>
/// <param name="Rank">The rank that is asked for it, perhaps above its short side.</param>
/// <param name="Way">How the parts are to enter the model.</param>
/// <param name="Reason">Why so.</param>
/// <param name="MayShadow">Whether a hook that the model passes by may be shadowed instead.</param>
internal readonly record struct AdapterRequest(Site Site, long Rank, Injection Way, string Reason, bool MayShadow);
