using LanguageModel.Methods;
using LowRankTraining.Layers;

namespace Compare;

/// <summary>What is compared, and under what conditions.</summary>
internal sealed record CompareSettings
{
    /// <value>The methods, in the order of the report.</value>
    public required IReadOnlyList<Method> Methods { get; init; }

    /// <value>Name of the model's configuration.</value>
    public required string Model { get; init; }

    /// <value>Rank of the low-rank parts.</value>
    public required int Rank { get; init; }

    /// <value>Tokens that each run trains on, rounded down to whole steps.</value>
    public required long Tokens { get; init; }

    /// <value>Sequences per step.</value>
    public required int Batch { get; init; }

    /// <value>Tokens per sequence.</value>
    public required int Sequence { get; init; }

    /// <value>Seeds; each method runs once with each.</value>
    public required IReadOnlyList<long> Seeds { get; init; }

    /// <value>Learning rates that replace the methods' own, by name of the method.</value>
    public required IReadOnlyDictionary<string, double> LearningRates { get; init; }

    /// <value>Tokens of each trial by which a method's learning rate is chosen; null to take the rates as they are.</value>
    public long? TuningTokens { get; init; }

    /// <value>Whether runs that an earlier comparison has finished in the same folder count.</value>
    public bool Resumes { get; init; }

    /// <value>Factor on the low-rank part; null for the methods' own.</value>
    public double? Scale { get; init; }

    /// <value>Steps between new subspaces; null for the methods' own.</value>
    public long? RefreshEvery { get; init; }

    /// <value>Steps between merges; null for the methods' own.</value>
    public long? MergeEvery { get; init; }

    /// <value>Steps of full-rank training before the low-rank parts take over; null for the methods' own.</value>
    public long? WarmStart { get; init; }

    /// <value>How frozen weights are kept, for the methods that freeze them.</value>
    public BaseFormat Base { get; init; }

    /// <value>float32 or bfloat16.</value>
    public required string Dtype { get; init; }

    /// <value>auto, cpu or cuda.</value>
    public required string Device { get; init; }

    /// <value>Files and folders; empty for the API documentation.</value>
    public required IReadOnlyList<string> Data { get; init; }

    /// <value>Tokens validated on, at most.</value>
    public long EvaluationTokens { get; init; } = 65_536;

    /// <value>Validations in each run, the last one included.</value>
    public int Evaluations { get; init; } = 16;

    /// <value>Folder for the report.</value>
    public required string Out { get; init; }

    /// <value>The command that gives this comparison again.</value>
    public required string Command { get; init; }

    /// <value>Optimizer steps of each run.</value>
    public long Steps => Tokens / ((long)Batch * Sequence);

    /// <value>What a trial of a learning rate is: the same with fewer tokens.</value>
    public CompareSettings Trials => this with
    {
        Tokens = TuningTokens ?? Tokens,
        EvaluationTokens = Math.Min(EvaluationTokens, AffordableValidation(TuningTokens ?? Tokens, Evaluations)),
    };

    /// <summary>The learning rate of <paramref name="method"/>, or the first that is tried.</summary>
    public double LearningRate(Method method) => LearningRates.GetValueOrDefault(method.Name, method.LearningRate);

    /// <summary>Tokens to validate on. A validation takes a third of what training on the same tokens takes; all of them together may take a quarter of the
    /// training, as long as enough is left to tell methods apart.</summary>
    public static long AffordableValidation(long tokens, int validations) => Math.Max(2048, tokens / 4 * 3 / validations);
}
