namespace Pretrain;

/// <summary>Everything that a run depends on: two runs with the same settings on the same machine are the same.</summary>
/// <remarks>Kept beside the checkpoints, so that a resumed run goes on as it began.</remarks>
public sealed record PretrainSettings
{
    /// <value>Name of the method.</value>
    public required string Strategy { get; init; }

    /// <value>Name of the model's configuration.</value>
    public required string Model { get; init; }

    /// <value>Rank of the low-rank parts.</value>
    public required int Rank { get; init; }

    /// <value>Optimizer steps.</value>
    public required long Steps { get; init; }

    /// <value>Sequences per step.</value>
    public required int Batch { get; init; }

    /// <value>Tokens per sequence.</value>
    public required int Seq { get; init; }

    /// <value>Largest learning rate.</value>
    public required double Lr { get; init; }

    /// <value>Decoupled weight decay.</value>
    public double WeightDecay { get; init; }

    /// <value>bytes or gpt2: what a token is.</value>
    public string Tokenizer { get; init; } = "bytes";

    /// <value>Steps in which the learning rate rises from 0.</value>
    public required long Warmup { get; init; }

    /// <value>Factor on the low-rank part; null for the method's own.</value>
    public double? Scale { get; init; }

    /// <value>Steps between new subspaces; null for the method's own.</value>
    public long? RefreshEvery { get; init; }

    /// <value>Steps between merges; null for the method's own.</value>
    public long? MergeEvery { get; init; }

    /// <value>Steps of full-rank training before the low-rank parts take over; null for the method's own.</value>
    public long? WarmStart { get; init; }

    /// <value>dense, nf4 or 8bit: how frozen weights are kept.</value>
    public string Base { get; init; } = "dense";

    /// <value>Largest norm of the gradients; null for no limit.</value>
    public double? Clip { get; init; }

    /// <value>whole, projected or stepped: what becomes of gradients in the backward pass.</value>
    public string Gradients { get; init; } = "whole";

    /// <value>Batches whose gradients are added up in a step.</value>
    public int GradAccum { get; init; } = 1;

    /// <value>Whether decoder layers are run once more in the backward pass.</value>
    public bool CheckpointActivations { get; init; }

    /// <value>Whether the bits that bfloat16 weights lose by rounding are kept.</value>
    public bool KeepRemainders { get; init; }

    /// <value>float32 or bfloat16.</value>
    public required string Dtype { get; init; }

    /// <value>Seed of weights, batches and method.</value>
    public required long Seed { get; init; }

    /// <value>Files and folders, or sources to mix as NAME=PATH; empty for the API documentation.</value>
    public required IReadOnlyList<string> Data { get; init; }

    /// <value>How sources are mixed; null for a single text.</value>
    public string? Mix { get; init; }

    /// <value>The source whose loss is to fall; null for all.</value>
    public string? Target { get; init; }

    /// <value>Hash of the text that was in them; null before it is read.</value>
    public string? DataHash { get; init; }
}
