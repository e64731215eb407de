using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Model;

/// <summary>What a <see cref="Llama"/> keeps in memory between the forward and the backward pass, counted from its sizes.</summary>
/// <param name="config">The sizes.</param>
/// <param name="tokens">Sequences of a batch times tokens of a sequence.</param>
/// <param name="type">Dtype of the weights.</param>
/// <param name="checkpoints">Whether layers keep their inputs alone.</param>
public sealed class LlamaActivations(LlamaConfig config, long tokens, ScalarType type, bool checkpoints = false)
{
    private const int Single = sizeof(float);

    /// <value>Whether gains, table and head are frozen, so that nothing is kept for gradients of theirs, and nothing before the first layer. Default
    /// false.</value>
    public bool IsFrozen { get; init; }

    /// <value>What the linear layers keep beyond their inputs: <see cref="LowRankTraining.MemoryPlan.ActivationBytes"/>. Default 0.</value>
    public long FactorBytes { get; init; }

    /// <value>Bytes of what the layers keep; with <c>checkpoints</c> of their inputs alone.</value>
    public long LayerBytes => (IsFrozen ? 0 : Norm) + config.Layers * (checkpoints ? Stream * Size : OneLayer);

    /// <value>Bytes that are there in passing at the start of the backward pass: of the loss the logarithms of probabilities and two gradients of that
    /// size.</value>
    public long PassingBytes => 3 * Single * tokens * config.Vocabulary;

    /// <value>Bytes of one layer that is run again, with <c>checkpoints</c>.</value>
    public long RerunBytes => checkpoints ? OneLayer : 0;

    private long Size => type.ElementSize();

    private long Stream => tokens * config.Hidden;

    /// <summary>A norm keeps its input in float32, and what it puts out before and after the gain.</summary>
    private long Norm => Stream * (Single + (IsFrozen ? 1 : 2) * Size);

    /// <summary>Two norms; queries, keys, values and what they are mixed to, with a sum for each head; four tensors of the feed-forward part.</summary>
    private long OneLayer => 2 * Norm + 4 * tokens * config.Heads * config.HeadDimension * Size + Single * tokens * config.Heads
        + 4 * tokens * config.Intermediate * Size + FactorBytes / config.Layers;
}
