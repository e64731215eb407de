using LanguageModel.Model;
using LowRankTraining;
using LowRankTraining.Checkpoints;
using LowRankTraining.Schedules;
using TorchSharp;
using TorchSharp.Modules;

namespace LanguageModel.Methods;

/// <summary>A method at work on one model: its optimizer and its schedule.</summary>
public sealed class AttachedMethod(CausalLanguageModel model, OptimizerHelper optimizer, ILrSchedule schedule) : IDisposable
{
    /// <value>Updates the model.</value>
    public OptimizerHelper Optimizer { get; } = optimizer;

    /// <value>The method at work on the model; null for TorchSharp's own AdamW.</value>
    public ILowRankSession? Session => (Optimizer as LowRankOptimizer)?.Session;

    /// <value>Sets the learning rate after each update.</value>
    public BoundSchedule Scheduler { get; private set; } = schedule.Bind(optimizer);

    /// <value>What becomes of gradients in the backward pass.</value>
    public GradientFlow Gradients { get; init; }

    /// <value>Bytes that the optimizer keeps between steps, at this moment.</value>
    public long StateBytes => Optimizer is LowRankOptimizer lowRank
        ? lowRank.StateBytes
        : Optimizer.state_dict().State.OfType<AdamW.State>().Sum(state => Bytes(state.exp_avg) + Bytes(state.exp_avg_sq));

    /// <value>Updates left out because a gradient was not finite.</value>
    public long SkippedUpdates => Optimizer is LowRankOptimizer lowRank ? lowRank.NonFiniteGradients : 0;

    /// <summary>Tells before the first step that gradients will be clipped: those that are used in the backward pass can be by the norm of the step before
    /// only.</summary>
    public void ClipFrom(double largest)
    {
        if (Gradients == GradientFlow.Stepped && Optimizer is LowRankOptimizer { } stepped)
            stepped.ClipByLastNorm = largest;
    }

    /// <summary>Scales the gradients of this step so that the norm of all together is at most <paramref name="largest"/>.</summary>
    public void Clip(double largest)
    {
        if (Optimizer is not LowRankOptimizer lowRank)
            torch.nn.utils.clip_grad_norm_(model.parameters().Where(parameter => parameter.requires_grad), largest);
        else if (Gradients != GradientFlow.Stepped)
            lowRank.clip_grad_norm_(largest);
    }

    /// <summary>Says of how many targets the loss of the next step is the mean, where several processes train together.</summary>
    public void Count(long targets)
    {
        if (Optimizer is LowRankOptimizer lowRank)
            lowRank.LocalTokens = targets;
    }

    /// <summary>Saves model and optimizer in <paramref name="folder"/>.</summary>
    public void Save(string folder) => TrainingCheckpoint.Save(folder, model, Optimizer, Scheduler);

    /// <summary>Goes back to where model and optimizer were when they were saved in <paramref name="folder"/>.</summary>
    /// <returns>Steps completed then.</returns>
    /// <exception cref="UserException">The checkpoint does not fit, or is damaged.</exception>
    public long Load(string folder)
    {
        try
        {
            var completedSteps = TrainingCheckpoint.Load(folder, model, Optimizer);
            Scheduler = schedule.Bind(Optimizer, completedSteps);
            return completedSteps;
        }
        catch (Exception refusal) when (refusal is InvalidDataException or FileNotFoundException)
        {
            throw new UserException(refusal.Message);
        }
    }

    /// <summary>Folds whatever the method has put into the model back into its weights: a plain model again, and no further training.</summary>
    public void Finish() => Session?.Finish();

    /// <inheritdoc/>
    public void Dispose() => Optimizer.Dispose();

    private static long Bytes(torch.Tensor? moment) => moment is null ? 0 : moment.numel() * moment.element_size();
}
