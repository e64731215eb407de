using LowRankTraining.Schedules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>Saves a training run, model and optimizer together, so that it can go on bit for bit as if it had not been interrupted.</summary>
/// <remarks>
/// <para>One file in the given directory. It is written beside the old one and takes its place in one operation when it is complete, so a failure leaves the old one as it was.</para>
/// <para>For weight-space methods the factors are saved as they are, unmerged. To get a plain model out of a run, call <see cref="ILowRankSession.Finish"/> and <c>model.save</c>.</para>
/// <para>Not saved: the position in the data (a <see cref="Mixing.IDataMixer"/> saves its own) and the state of torch's global generator, on which dropout depends.</para>
/// </remarks>
public static class TrainingCheckpoint
{
    private const string FileName = "training.ckpt";

    /// <summary>Saves model and optimizer.</summary>
    /// <param name="directory">Made when it does not exist. A checkpoint in it is replaced.</param>
    /// <param name="model">The model as it is being trained.</param>
    /// <param name="optimizer">A <see cref="LowRankOptimizer"/>, or any optimizer of TorchSharp.</param>
    /// <param name="scheduler">The scheduler of the run. It keeps no state that is not in the optimizer but its position, see <paramref name="completedSteps"/>.</param>
    /// <param name="completedSteps">Optimizer steps taken so far. When null it is what a <see cref="LowRankOptimizer"/> has counted, else a <see cref="BoundSchedule"/>.</param>
    /// <exception cref="ArgumentException">The number of completed steps is not known, or two sources of it disagree.</exception>
    /// <exception cref="InvalidOperationException">The session's factors are merged for a while.</exception>
    public static void Save(string directory, nn.Module model, OptimizerHelper optimizer, optim.lr_scheduler.LRScheduler? scheduler = null, long? completedSteps = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        var steps = StepsOf(optimizer, scheduler, completedSteps);
        RequireUnmerged(optimizer, "and a checkpoint would hold them twice", "saved");

        Directory.CreateDirectory(directory);
        AtomicFile.Write(Path.Combine(directory, FileName), writer => CheckpointFile.Write(writer, steps, model, optimizer));
    }

    /// <summary>Whether there is a checkpoint in <paramref name="directory"/>.</summary>
    public static bool Exists(string directory) => File.Exists(Path.Combine(directory, FileName));

    /// <summary>Loads what <see cref="Save"/> wrote into a model and an optimizer made like those that were saved.</summary>
    /// <param name="directory">Where the checkpoint is.</param>
    /// <param name="model">The model, to which the strategy is attached already.</param>
    /// <param name="optimizer">Made for that model.</param>
    /// <returns>Completed steps; give them to <see cref="ScheduleExtensions.Bind"/>.</returns>
    /// <remarks>Call it outside of dispose scopes when the optimizer is one of TorchSharp's own: those lose loaded state with the scope.</remarks>
    /// <exception cref="FileNotFoundException">There is no checkpoint.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged, or of another model, strategy, rank or optimizer. Neither model nor optimizer was changed.</exception>
    /// <exception cref="InvalidOperationException">The session's factors are merged for a while. Nothing was changed.</exception>
    public static long Load(string directory, nn.Module model, OptimizerHelper optimizer)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        RequireUnmerged(optimizer, "and the weights from before would take the place of the loaded ones", "changed");

        var path = Path.Combine(directory, FileName);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no checkpoint in '{directory}' ({FileName} is missing). Check the path, or start without resuming.", path);

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        using var reader = new BinaryReader(stream);
        try
        {
            return CheckpointFile.Read(reader, model, optimizer);
        }
        catch (InvalidDataException refusal)
        {
            throw new InvalidDataException($"'{path}': {refusal.Message}", refusal);
        }
    }

    private static void RequireUnmerged(OptimizerHelper optimizer, string consequence, string done)
    {
        if (optimizer is LowRankOptimizer { Session: Adapters.AdapterSession { IsMerged: true } })
            throw new InvalidOperationException($"The factors are merged into the weights, {consequence}: call Unmerge() on the session first. Nothing was {done}.");
    }

    private static long StepsOf(OptimizerHelper optimizer, optim.lr_scheduler.LRScheduler? scheduler, long? given)
    {
        var known = new[] { given, (optimizer as LowRankOptimizer)?.CompletedSteps, (scheduler as BoundSchedule)?.CompletedSteps }.OfType<long>().Distinct().ToArray();
        return known.Length switch
        {
            1 => known[0],
            0 => throw new ArgumentException($"A {optimizer.GetType().Name} does not count its steps: pass completedSteps, or a scheduler made with Bind.", nameof(optimizer)),
            _ => throw new ArgumentException($"Optimizer, scheduler and completedSteps disagree about the steps taken ({string.Join(", ", known)}). Save after scheduler.step(), which follows optimizer.step().", nameof(optimizer)),
        };
    }
}
