using TorchSharp.Modules;
using static TorchSharp.torch.optim.lr_scheduler;

namespace LanguageModel.Methods;

/// <summary>A method at work on one model.</summary>
public sealed class AttachedMethod(OptimizerHelper optimizer, Func<long, LRScheduler> bindSchedule, Func<long> stateBytes, IDisposable? session = null) : IDisposable
{
    /// <value>Updates the model.</value>
    public OptimizerHelper Optimizer { get; } = optimizer;

    /// <value>Sets the learning rate after each step.</value>
    public LRScheduler Scheduler { get; private set; } = bindSchedule(0);

    /// <value>Bytes that the optimizer keeps between steps.</value>
    public long StateBytes => stateBytes();

    public long SkippedUpdates => 0;

    /// <inheritdoc/>
    public void Dispose()
    {
        Optimizer.Dispose();
        session?.Dispose();
    }
}
