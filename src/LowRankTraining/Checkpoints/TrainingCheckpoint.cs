using LowRankTraining.Schedules;

namespace LowRankTraining.Checkpoints;

/// <summary>Saves a training run, model and optimizer together, so that it can go on bit for bit as if it had not been interrupted.</summary>
/// <remarks>
/// <para>One file in the given directory, <c>training.safetensors</c>. It is written beside the old one and takes its place in one operation when it is
/// complete, so a failure leaves the old one as it was. It is read whole and checked whole before anything is changed.</para>
/// <para>Where several processes train together, all of them call <see cref="Save"/> and <see cref="Load"/> in the same places: the first one writes, without
/// the others waiting, and all read, wherever the file is visible to all. Any number of processes can go on.</para>
/// <para>For weight-space methods the factors are saved as they are, unmerged. To get a plain model out of a run, call <see cref="ILowRankSession.Finish"/>
/// and <c>model.save</c>.</para>
/// <para>Not saved: the position in the data (a <see cref="Mixing.DataMixer"/> saves its own) and the state of torch's global generator, on which dropout
/// depends.</para>
/// </remarks>
public static class TrainingCheckpoint
{
    private const string FileName = "training.safetensors", EarlierFileName = "training.ckpt", ModelPrefix = "model/";

    /// <summary>Saves model and optimizer.</summary>
    /// <param name="directory">Made when it does not exist. A checkpoint in it is replaced.</param>
    /// <param name="model">The model as it is being trained.</param>
    /// <param name="optimizer">A <see cref="LowRankOptimizer"/>, or any optimizer of TorchSharp.</param>
    /// <param name="scheduler">The scheduler of the run. It keeps no state that is not in the optimizer but its position, see
    /// <paramref name="completedSteps"/>.</param>
    /// <param name="completedSteps">Optimizer steps taken so far. When null it is what a <see cref="LowRankOptimizer"/> has counted, else a
    /// <see cref="BoundSchedule"/>.</param>
    /// <exception cref="ArgumentException">The number of completed steps is not known, or two sources of it disagree; or a tensor of the model has a dtype for
    /// which safetensors has no name; or <paramref name="directory"/> is a file.</exception>
    /// <exception cref="InvalidOperationException">The session's factors are merged temporarily, or for good (<see cref="ILowRankSession.Finish"/>); or the
    /// model was moved or disposed after the optimizer was made.</exception>
    public static void Save(
        string directory, nn.Module model, OptimizerHelper optimizer, optim.lr_scheduler.LRScheduler? scheduler = null, long? completedSteps = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        var saved = ISavedOptimizer.Of(optimizer, model);
        saved.RequireReady("and a checkpoint would hold them twice", "saved");
        var steps = StepsOf(optimizer, saved.CompletedSteps, scheduler, completedSteps);
        using var states = saved.Collect();
        if (!saved.Writes)
            return;

        SavedFile.MakeFolder(directory);
        var weights = model.state_dict().Select(entry => TensorSource.Of(ModelPrefix + entry.Key, entry.Value));
        saved.Show((manifest, state) => SafeTensorsFile.Write(
            Path.Combine(directory, FileName), [.. weights, .. state], manifest with { Kind = CheckpointManifest.Training, Step = steps }));
    }

    /// <summary>Whether there is a checkpoint in <paramref name="directory"/>. One of an earlier format counts, so that no run starts over unnoticed.</summary>
    public static bool Exists(string directory) => File.Exists(Path.Combine(directory, FileName)) || File.Exists(Path.Combine(directory, EarlierFileName));

    /// <summary>Loads what <see cref="Save"/> wrote into a model and an optimizer made like those that were saved.</summary>
    /// <param name="directory">Where the checkpoint is.</param>
    /// <param name="model">The model, to which the strategy is attached already.</param>
    /// <param name="optimizer">Made for that model.</param>
    /// <param name="scheduler">The scheduler of the run, made with <see cref="ScheduleExtensions.Bind"/>: it goes on from the completed steps. One that is
    /// bound to a <see cref="LowRankOptimizer"/> does so without being given.</param>
    /// <returns>Completed steps. A scheduler that is bound afterwards needs them.</returns>
    /// <remarks>
    /// <para>Weights and state of another floating-point dtype are cast, as in PyTorch; the run then goes on, and no longer bit for bit.</para>
    /// <para>Options on which the form of the state depends must be those of the saved run. Others may differ; where the method has a logger, they are named
    /// in a warning.</para>
    /// <para>Call it outside of dispose scopes when the optimizer is one of TorchSharp's own: those lose loaded state with the scope.</para>
    /// </remarks>
    /// <exception cref="ArgumentException">The scheduler cannot be put anywhere, as TorchSharp's own. Nothing was changed.</exception>
    /// <exception cref="FileNotFoundException">There is no checkpoint.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged, of an earlier format, or of another model, strategy, rank or optimizer. Neither model
    /// nor optimizer was changed.</exception>
    /// <exception cref="InvalidOperationException">The session's factors are merged temporarily; or the model was moved or disposed after the optimizer was
    /// made. Nothing was changed.</exception>
    public static long Load(string directory, nn.Module model, OptimizerHelper optimizer, optim.lr_scheduler.LRScheduler? scheduler = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        var target = ISavedOptimizer.Of(optimizer, model);
        target.RequireReady("and the weights from before would take the place of the loaded ones", "changed");
        if (scheduler is not null and not BoundSchedule)
            throw new ArgumentException(
                $"A {scheduler.GetType().Name} cannot be put where the run was: bind a schedule of this library (schedule.Bind(optimizer)), "
                + "or make it after Load, with last_epoch, and leave it out here. Nothing was changed.", nameof(scheduler));

        target.Barrier();
        var path = PathIn(directory);
        using var file = SavedFile.Open(path, CheckpointManifest.Training);
        var manifest = file.Manifest!;
        if (SavedFile.Advise(() => DifferenceOf(file, model, target)) is { } difference)
            throw new InvalidDataException($"'{path}': {difference} Nothing was changed.");

        // Everything is read and found sound before the first number is changed.
        using var lasting = LastingTensors.Begin();
        using var weights = new StateBag();
        using var state = SavedFile.Advise(() =>
        {
            foreach (var name in WeightsIn(file))
                weights.Set(name, file.Read(ModelPrefix + name));
            return target.Read(file);
        });

        // The optimizer comes first: its session gives factors the shapes that they have in the file.
        state.Apply();
        using (no_grad())
            foreach (var (name, tensor) in model.state_dict())
                tensor.copy_(weights[name]);

        (scheduler as BoundSchedule)?.GoOnAfter(manifest.Step);
        return manifest.Step;
    }

    private static string PathIn(string directory)
    {
        var (path, earlier) = (Path.Combine(directory, FileName), Path.Combine(directory, EarlierFileName));
        return File.Exists(path) ? path
            : File.Exists(earlier) ? earlier
            : throw new FileNotFoundException(File.Exists(directory)
                ? $"'{directory}' is a file, and a checkpoint is a folder with {FileName} in it: give the folder."
                : $"There is no checkpoint in '{directory}' ({FileName} is missing). Check the path, or start without resuming.", path);
    }

    private static IEnumerable<string> WeightsIn(SafeTensorsFile file) =>
        file.Names.Where(name => name.StartsWith(ModelPrefix, StringComparison.Ordinal)).Select(name => name[ModelPrefix.Length..]);

    /// <summary>The first difference, with what to do, or null.</summary>
    private static string? DifferenceOf(SafeTensorsFile file, nn.Module model, ISavedOptimizer target)
    {
        var (manifest, tensors) = (file.Manifest!, model.state_dict());
        return DifferenceOf(file, tensors, (tensor, saved) => target.ExpectedShape(tensor, manifest.Step, saved)) is { } difference
            ? $"The checkpoint is of another model: {difference}.{OptionChange.Sentence(target.ChangesSince(manifest))} "
                + "Make the model, and attach the strategy, as in the run that was saved."
            : target.DifferenceFrom(manifest) ?? UnclaimedIn(file, tensors.Count, target.TensorsBy(manifest));
    }

    /// <summary>A tensor that nobody asks for would be left out silently.</summary>
    private static string? UnclaimedIn(SafeTensorsFile file, int ofModel, int ofState)
    {
        var there = file.Names.Count();
        return there == ofModel + ofState ? null
            : $"It holds {there} tensors, and by its manifest {ofModel} are of the model and {ofState} of the state. It is not as it was written: "
                + "take another copy.";
    }

    private static string? DifferenceOf(SafeTensorsFile file, Dictionary<string, Tensor> model, Func<Tensor, long[], long[]> expectedShape)
    {
        if (model.Keys.FirstOrDefault(name => !file.Has(ModelPrefix + name)) is { } missing)
            return $"it has no '{missing}'";
        if (WeightsIn(file).FirstOrDefault(name => !model.ContainsKey(name)) is { } unknown)
            return $"it has '{unknown}', which the model does not have";

        foreach (var (name, tensor) in model)
        {
            long[] there = [.. file.ShapeOf(ModelPrefix + name)];
            var (type, here) = (file.TypeOf(ModelPrefix + name), expectedShape(tensor, there));
            if ((type != tensor.dtype && !(type.IsTrainable() && tensor.dtype.IsTrainable())) || !there.SequenceEqual(here))
                return $"'{name}' is {type} [{string.Join(", ", there)}] there and {tensor.dtype} [{string.Join(", ", here)}] here";
        }

        return null;
    }

    private static long StepsOf(OptimizerHelper optimizer, long? counted, optim.lr_scheduler.LRScheduler? scheduler, long? given)
    {
        var known = new[] { given, counted, (scheduler as BoundSchedule)?.CompletedStepsOfRun }.OfType<long>().Distinct().ToArray();
        return known.Length switch
        {
            1 => known[0],
            0 => throw new ArgumentException(
                $"A {optimizer.GetType().Name} does not count its steps: pass completedSteps, or a scheduler made with Bind.", nameof(optimizer)),
            _ => throw new ArgumentException(
                $"Optimizer, scheduler and completedSteps disagree about the steps taken ({string.Join(", ", known)}). "
                + "Save after scheduler.step(), which follows optimizer.step().", nameof(optimizer)),
        };
    }
}
