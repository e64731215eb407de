using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>The training loop.</summary>
public sealed class Trainer
{
    private readonly CausalLanguageModel model;
    private readonly AttachedMethod method;
    private readonly TrainingOptions options;
    private readonly TrainingData data;
    private readonly PhaseClock whole;
    private readonly PhaseClock forward;
    private readonly PhaseClock backward;
    private readonly PhaseClock update;
    private readonly TimeLeft timeLeft;
    private readonly MemoryMeter memory;
    private readonly List<LossPoint> trainingLosses = [];
    private readonly List<LossPoint> validationLosses = [];
    private readonly List<MixturePoint> mixtures = [];
    private long largestState;
    private long tokens;
    private long counted;
    private long weightBytes;
    private long gradientBytes;

    /// <summary>Prepares to train <paramref name="model"/> on <paramref name="corpus"/>.</summary>
    /// <exception cref="UserException">The corpus is too small for a sequence.</exception>
    public Trainer(CausalLanguageModel model, AttachedMethod method, TextCorpus corpus, TrainingOptions options, MemoryMeter? memory = null)
        : this(model, method, new SingleText(corpus, options), options, memory)
    {
    }

    /// <summary>Prepares to train <paramref name="model"/> on <paramref name="data"/>.</summary>
    /// <param name="model">What is trained.</param>
    /// <param name="method">The method at work on it.</param>
    /// <param name="data">What it is trained and validated on.</param>
    /// <param name="options">What the run does.</param>
    /// <param name="memory">Made before the model, it counts the weights too; null for what is taken from now on.</param>
    public Trainer(CausalLanguageModel model, AttachedMethod method, TrainingData data, TrainingOptions options, MemoryMeter? memory = null)
    {
        NativeHeap.KeepWhatIsFreed();
        (this.model, this.method, this.data, this.options) = (model, method, data, options);
        (whole, forward, backward, update) = (new(options.Device), new(options.Device), new(options.Device), new(options.Device));
        timeLeft = new TimeLeft(data.Validation.Sum(part => part.Batches.Sum(batch => (double)batch.Inputs.Length)) / options.TokensPerStep);
        this.memory = memory ?? new MemoryMeter(options.Device);
        if (options.ClipNorm is { } largest)
            method.ClipFrom(largest);
    }

    /// <value>Called after every step.</value>
    public Action<StepReport>? Stepped { get; init; }

    /// <value>Called after every validation.</value>
    public Action<LossPoint>? Validated { get; init; }

    /// <value>Called after every validation of a run on several sources.</value>
    public Action<MixturePoint>? Mixed { get; init; }

    /// <value>Called with the steps done when it is time to save, and when the run is interrupted.</value>
    public Action<long>? Save { get; init; }

    /// <summary>Trains from <paramref name="firstStep"/> steps done to the last, or until <paramref name="interruption"/>; a run that was not interrupted
    /// ends with a validation.</summary>
    public TrainingReport Run(long firstStep, CancellationToken interruption)
    {
        var done = firstStep;
        while (done < options.Steps && !options.World.Any(interruption.IsCancellationRequested))
        {
            var step = done++;
            var loss = TimeLeft.Timed(timeLeft.AddStep, () => whole.Time(() => Step(step)));

            trainingLosses.Add(new LossPoint(done, loss));
            Stepped?.Invoke(Progress(done, loss));
            if (done % options.EvaluateEvery == 0 && done < options.Steps)
                Validate(done, interruption);
            if (done % options.SaveEvery == 0 && done < options.Steps)
                Save?.Invoke(done);
        }

        if (done > firstStep)
            Save?.Invoke(done);
        return Report(done, done == options.Steps ? Validate(done, interruption) : null);
    }

    private double Step(long step)
    {
        using var scope = NewDisposeScope();
        model.zero_grad();

        var value = 0.0;
        counted = 0;
        for (var part = 0; part < options.Accumulation; part++)
            value += MicroBatch(step * options.Accumulation + part) / options.Accumulation;

        update.Time(() =>
        {
            data.EndStep();
            if (options.ClipNorm is { } largest)
                method.Clip(largest);
            method.Optimizer.step();
            method.Scheduler.step();
        });
        memory.Sample();
        return value;
    }

    /// <summary>Adds the gradients of one batch to those of the step.</summary>
    /// <returns>Its loss.</returns>
    private double MicroBatch(long number)
    {
        using var scope = NewDisposeScope();
        var (loss, value) = forward.Time(() =>
        {
            var batch = options.World.PartOf(data.At(number));
            var loss = Batches.Loss(model, batch, options.Device);
            counted += batch.Counted;
            var sums = options.World.Sum(loss.ToDouble() * batch.Counted, batch.Counted, batch.Tokens);
            tokens += (long)sums[2];
            return (loss, sums[0] / sums[1]);
        });
        memory.Sample();

        // Before the last backward pass, in which numbers may be sent to other processes, it is complete.
        method.Count(counted);
        var share = options.Accumulation == 1 ? loss : loss.div(options.Accumulation);
        backward.Time(() => data.Backward(() => share.backward()));
        if (weightBytes == 0)
            Weigh();
        memory.Sample();
        return value;
    }

    private void Weigh()
    {
        using var scope = NewDisposeScope();
        weightBytes = model.parameters().Concat(model.buffers()).Sum(Bytes);
        gradientBytes = model.parameters().Select(parameter => parameter.grad).Where(gradient => gradient is not null).Sum(Bytes!);

        static long Bytes(Tensor tensor) => tensor.numel() * tensor.element_size();
    }

    /// <returns>The loss; null when it was interrupted.</returns>
    private double? Validate(long done, CancellationToken interruption)
    {
        largestState = Math.Max(largestState, method.StateBytes);
        try
        {
            var losses = TimeLeft.Timed(timeLeft.AddValidation, () =>
                data.Validation.Select(part => Evaluation.Loss(model, part.Batches, options.Device, options.World, interruption)).ToList());
            return Note(new LossPoint(done, losses is [var only] ? only : Mean(losses)), losses);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private double Note(LossPoint point, List<double> losses)
    {
        validationLosses.Add(point);
        Validated?.Invoke(point);
        if (data.Mixture is { } mixture)
            Report(new MixturePoint(point.Step,
                [.. mixture.Zip(losses, (share, loss) => new SourcePoint(share.Source, share.Probability, share.Draws, share.Reward, loss))]));
        return point.Loss;
    }

    /// <summary>The loss over all sources, each target weighing the same.</summary>
    private double Mean(IEnumerable<double> losses)
    {
        var tokens = data.Validation.Select(part => part.Batches.Sum(batch => (double)batch.Counted)).ToList();
        return losses.Zip(tokens, (loss, count) => loss * count).Sum() / tokens.Sum();
    }

    private void Report(MixturePoint mixture)
    {
        mixtures.Add(mixture);
        Mixed?.Invoke(mixture);
    }

    private StepReport Progress(long done, double loss) =>
        new(done, loss, tokens / timeLeft.StepSeconds, timeLeft.Estimate(options.Steps - done, ValidationsFrom(done)));

    /// <summary>Validations that come at <paramref name="done"/> or later: the multiples of the period before the last step, and the last step.</summary>
    private long ValidationsFrom(long done) => 1 + (options.EvaluateEvery is { } period ? (options.Steps - 1) / period - (done - 1) / period : 0);

    private TrainingReport Report(long done, double? validationLoss) => new()
    {
        Steps = done,
        Completed = validationLoss is not null,
        ValidationLoss = validationLoss,
        Training = trainingLosses,
        Validation = validationLosses,
        Mixtures = mixtures,
        TokensPerSecond = tokens == 0 ? 0 : tokens / timeLeft.StepSeconds,
        Seconds = timeLeft.StepSeconds,
        StepMilliseconds = whole.MedianMilliseconds,
        ForwardMilliseconds = forward.MedianMilliseconds,
        BackwardMilliseconds = backward.MedianMilliseconds,
        OptimizerMilliseconds = update.MedianMilliseconds,
        OptimizerMeanMilliseconds = update.MeanMilliseconds,
        OptimizerStateBytes = Math.Max(largestState, method.StateBytes),
        WeightBytes = weightBytes,
        GradientBytes = gradientBytes,
        PeakTensorBytes = memory.PeakTensorBytes,
        PeakProcessBytes = memory.PeakProcessBytes,
        SkippedUpdates = method.SkippedUpdates,
    };
}
