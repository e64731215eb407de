namespace LowRankTraining.Checkpoints;

/// <summary>A state that has been read and checked, and not yet been taken over, so that a broken file changes nothing.</summary>
/// <param name="commit">Called when every option and every bag is in its place.</param>
internal sealed class PendingLoad(Action commit) : IDisposable
{
    private readonly List<(OptimizerOptions Target, OptimizerOptions Loaded)> _options = [];
    private readonly List<(StateBag Target, StateBag Loaded)> _bags = [];

    public void Add(OptimizerOptions target, OptimizerOptions loaded) => _options.Add((target, loaded));

    public void Add(StateBag target, StateBag loaded) => _bags.Add((target, loaded));

    /// <summary>Takes the state over.</summary>
    public void Apply()
    {
        foreach (var (target, loaded) in _options)
            target.LoadStateDict(loaded);
        foreach (var (target, loaded) in _bags)
            target.TakeFrom(loaded);
        commit();
    }

    public void Dispose()
    {
        foreach (var (_, loaded) in _bags)
            loaded.Dispose();
    }
}
