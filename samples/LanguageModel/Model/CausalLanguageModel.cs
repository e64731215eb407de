using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>A model that scores every next token from the tokens so far.</summary>
public abstract class CausalLanguageModel(string name) : Module<Tensor, Tensor>(name)
{
    /// <value>Number of tokens known.</value>
    public abstract int Vocabulary { get; }

    /// <value>Longest sequence it was made for, in tokens; null where there is no limit.</value>
    public abstract int? Positions { get; }

    /// <value>Whether layers keep their inputs alone for the backward pass, and are run once more in it: less memory, about a third more time, and the same
    /// gradients to the bit. Default false.</value>
    public bool CheckpointsActivations { get; set; }

    /// <summary>Keeps keys and values from now on, for one text: a call goes on from those before it. What it returns ends that.</summary>
    public IDisposable Remember() => new Memory([.. modules().OfType<IKeepsKeyValues>()]);

    /// <summary>Mean cross-entropy of the next tokens, in nats per token.</summary>
    /// <param name="input">Tokens, (batch, position), int64.</param>
    /// <param name="target">The token after each, same shape; <see cref="Data.TokenBatch.Ignored"/> where it does not count.</param>
    public Tensor Loss(Tensor input, Tensor target)
    {
        using var scope = NewDisposeScope();
        var logits = call(input).view(-1, Vocabulary);
        return functional.cross_entropy(logits, target.view(-1)).MoveToOuterDisposeScope();
    }

    private sealed class Memory : IDisposable
    {
        private readonly IKeepsKeyValues[] layers;

        public Memory(IKeepsKeyValues[] layers)
        {
            this.layers = layers;
            foreach (var layer in layers)
                layer.Cache = new();
        }

        public void Dispose()
        {
            foreach (var layer in layers)
            {
                layer.Cache?.Dispose();
                layer.Cache = null;
            }
        }
    }
}
