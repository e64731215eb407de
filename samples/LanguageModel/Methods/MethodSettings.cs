using System.Runtime.CompilerServices;
using LowRankTraining;
using LowRankTraining.Layers;

namespace LanguageModel.Methods;

/// <summary>What a method is told. Null leaves a choice to the method.</summary>
public sealed record MethodSettings
{
    // Copies share it: what a method asks of a copy counts.
    private readonly HashSet<string> asked = [];

    /// <value>Optimizer steps of the whole run.</value>
    public required long Steps { get; init; }

    /// <value>Largest learning rate.</value>
    public required double LearningRate { get; init; }

    /// <value>Decoupled weight decay. Default 0.</value>
    public double WeightDecay { get; init; }

    /// <value>Steps in which the learning rate rises from 0.</value>
    public required long Warmup { get; init; }

    /// <value>Rank of the low-rank parts.</value>
    public required int Rank { get; init; }

    /// <value>Factor on the low-rank part: α of the methods that project (a of APOLLO, whose square root counts), s = α/r of ReLoRA, LoRA and SLTrain.</value>
    public double? Scale { get => Asked(field); init; }

    /// <value>Steps between new subspaces, for the methods that project and have a fixed period.</value>
    public long? RefreshEvery { get => Asked(field); init; }

    /// <value>Steps between merges, for ReLoRA; null for a quarter of the steps.</value>
    public long? MergeEvery { get => Asked(field); init; }

    /// <value>Steps of full-rank training before the low-rank parts take over, for ReLoRA.</value>
    public long? WarmStart { get => Asked(field); init; }

    /// <value>How ReLoRA and LoRA keep the weights that they freeze.</value>
    public BaseFormat Base { get => Asked(field); init; }

    /// <value>The processes that train together; null for this one alone.</value>
    public ICollective? World { get; init; }

    /// <value>What becomes of gradients in the backward pass.</value>
    public GradientFlow Gradients { get; init; }

    /// <value>Whether the bits that bfloat16 weights lose by rounding are kept.</value>
    public bool KeepsRemainders { get; init; }

    /// <value>Seed of whatever the method draws at random.</value>
    public long Seed { get; init; } = 42;

    /// <summary>The names of those choices that a method has not asked for, so that they would be without effect.</summary>
    public IReadOnlyList<string> Unasked =>
        [.. new[] { nameof(Scale), nameof(RefreshEvery), nameof(MergeEvery), nameof(WarmStart), nameof(Base) }.Except(asked)];

    private TChoice Asked<TChoice>(TChoice choice, [CallerMemberName] string name = "")
    {
        asked.Add(name);
        return choice;
    }
}
