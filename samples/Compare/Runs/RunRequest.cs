using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Training;
using LowRankTraining.Layers;

namespace Compare.Runs;

/// <summary>One run of one method: all that a process needs to know to do it, but for the text.</summary>
internal sealed record RunRequest
{
    /// <value>Name of the method.</value>
    public required string Method { get; init; }

    /// <value>Seed of weights, batches and method.</value>
    public required long Seed { get; init; }

    /// <value>Name of the model's configuration.</value>
    public required string Model { get; init; }

    /// <value>Rank of the low-rank parts.</value>
    public required int Rank { get; init; }

    /// <value>Optimizer steps.</value>
    public required long Steps { get; init; }

    /// <value>Sequences per step.</value>
    public required int Batch { get; init; }

    /// <value>Tokens per sequence.</value>
    public required int Sequence { get; init; }

    /// <value>Largest learning rate.</value>
    public required double LearningRate { get; init; }

    /// <value>Factor on the low-rank part; null for the method's own.</value>
    public double? Scale { get; init; }

    /// <value>Steps between new subspaces; null for the method's own.</value>
    public long? RefreshEvery { get; init; }

    /// <value>Steps between merges; null for the method's own.</value>
    public long? MergeEvery { get; init; }

    /// <value>Steps of full-rank training before the low-rank parts take over; null for the method's own.</value>
    public long? WarmStart { get; init; }

    /// <value>How frozen weights are kept.</value>
    public BaseFormat Base { get; init; }

    /// <value>float32 or bfloat16.</value>
    public required string Dtype { get; init; }

    /// <value>auto, cpu or cuda.</value>
    public required string Device { get; init; }

    /// <value>Steps between validations.</value>
    public required long EvaluateEvery { get; init; }

    /// <value>Tokens validated on, at most.</value>
    public required long EvaluationTokens { get; init; }

    /// <summary>The run of <paramref name="method"/> with <paramref name="seed"/> in a comparison.</summary>
    public static RunRequest For(CompareSettings settings, Method method, double learningRate, long seed) => new()
    {
        Method = method.Name,
        Seed = seed,
        Model = settings.Model,
        Rank = settings.Rank,
        Steps = settings.Steps,
        Batch = settings.Batch,
        Sequence = settings.Sequence,
        LearningRate = learningRate,
        Scale = settings.Scale,
        RefreshEvery = settings.RefreshEvery,
        MergeEvery = settings.MergeEvery,
        WarmStart = settings.WarmStart,
        Base = settings.Base,
        Dtype = settings.Dtype,
        Device = settings.Device,
        EvaluateEvery = (settings.Steps + settings.Evaluations - 1) / settings.Evaluations,
        EvaluationTokens = settings.EvaluationTokens,
    };

    /// <summary>What the method is told.</summary>
    public MethodSettings MethodSettings() => new()
    {
        Steps = Steps,
        LearningRate = LearningRate,
        Warmup = Steps / 10,
        Rank = Rank,
        Scale = Scale,
        RefreshEvery = RefreshEvery,
        MergeEvery = MergeEvery,
        WarmStart = WarmStart,
        Base = Base,
        Seed = Seed,
    };

    /// <summary>What the trainer is told.</summary>
    public TrainingOptions TrainingOptions() => new()
    {
        Steps = Steps,
        Batch = Batch,
        Sequence = Sequence,
        Device = Devices.Find(Device),
        Seed = Seed,
        EvaluateEvery = EvaluateEvery,
        EvaluationTokens = EvaluationTokens,
    };
}
