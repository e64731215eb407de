using TorchSharp.Modules;

namespace LowRankTraining.Checkpoints;

/// <summary>A state that has been read but not yet taken over, so that a broken file changes nothing.</summary>
internal sealed class PendingLoad : IDisposable
{
    private readonly List<(OptimizerOptions Target, OptimizerOptions Loaded)> _options = [];
    private readonly List<(StateBag Target, StateBag Loaded)> _bags = [];

    public long Step { get; private set; }

    public int BagCount => _bags.Count;

    public void Add(OptimizerOptions target, OptimizerOptions loaded, long step)
    {
        _options.Add((target, loaded));
        Step = step;
    }

    public void Add(StateBag target, StateBag loaded) => _bags.Add((target, loaded));

    public void Apply()
    {
        foreach (var (target, loaded) in _options)
            target.LoadStateDict(loaded);
        foreach (var (target, loaded) in _bags)
            target.TakeFrom(loaded);
    }

    public void Dispose()
    {
        foreach (var (_, loaded) in _bags)
            loaded.Dispose();
    }
}
