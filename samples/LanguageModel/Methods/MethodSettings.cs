namespace LanguageModel.Methods;

/// <summary>What a method is told. Null leaves a choice to the method.</summary>
public sealed record MethodSettings
{
    /// <value>Optimizer steps of the whole run.</value>
    public required long Steps { get; init; }

    /// <value>Largest learning rate.</value>
    public required double LearningRate { get; init; }

    /// <value>Steps in which the learning rate rises from 0.</value>
    public required long Warmup { get; init; }

    /// <value>Rank of the low-rank parts.</value>
    public required int Rank { get; init; }

    /// <value>GaLore's scale, Fira's α: factor on the lifted low-rank update.</value>
    public double? Scale { get; init; }

    /// <value>Steps between new subspaces, for GaLore and Fira.</value>
    public int? RefreshEvery { get; init; }

    /// <value>Steps between merges, for ReLoRA.</value>
    public int? MergeEvery { get; init; }

    /// <value>Seed of whatever the method draws at random.</value>
    public long Seed { get; init; } = 42;
}
