using LanguageModel.Model;
using TorchSharp.Modules;
using static TorchSharp.torch.optim.lr_scheduler;

namespace LanguageModel.Methods;

/// <summary>A method at work on one model.</summary>
public sealed class AttachedMethod(OptimizerHelper optimizer, Func<long, LRScheduler> bindSchedule, Func<long> stateBytes, Func<long> skippedUpdates) : IDisposable
{
    private long completed;

    /// <value>Updates the model.</value>
    public OptimizerHelper Optimizer { get; } = optimizer;

    /// <value>Sets the learning rate after each step.</value>
    public LRScheduler Scheduler { get; private set; } = bindSchedule(0);

    /// <value>Bytes that the optimizer keeps between steps.</value>
    public long StateBytes => stateBytes();

    /// <value>Updates left out because a gradient was not finite.</value>
    public long SkippedUpdates => skippedUpdates();

    /// <summary>Saves.</summary>
    public void Save(string folder, Llama model)
    {
        Directory.CreateDirectory(folder);
        model.save(Path.Combine(folder, "model"));
        Optimizer.save_state_dict(Path.Combine(folder, "optimizer"));
    }

    /// <summary>Loads.</summary>
    public long Load(string folder, Llama model)
    {
        model.load(Path.Combine(folder, "model"));
        Optimizer.load_state_dict(Path.Combine(folder, "optimizer"));
        completed = long.Parse(Path.GetFileName(folder), System.Globalization.CultureInfo.InvariantCulture);
        Scheduler = bindSchedule(completed);
        return completed;
    }

    /// <inheritdoc/>
    public void Dispose() => Optimizer.Dispose();
}
