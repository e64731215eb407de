using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>Token embedding, the decoder layers, and a last norm.</summary>
public sealed class Decoder : Module<Tensor, Tensor>
{
    private readonly Embedding embed_tokens;
    private readonly ModuleList<DecoderLayer> layers;
    private readonly RmsNorm norm;
    private readonly RotaryPositions rotary;

    /// <summary>A decoder of the sizes in <paramref name="config"/>.</summary>
    /// <param name="config">The sizes.</param>
    /// <param name="made">Is given every layer before the next one is made.</param>
    public Decoder(LlamaConfig config, Action<DecoderLayer>? made = null) : base(nameof(Decoder))
    {
        rotary = new RotaryPositions(config.HeadDimension, config.RotaryBase, config.RotaryScaling);
        embed_tokens = Embedding(config.Vocabulary, config.Hidden);
        layers = [];
        for (var count = 0; count < config.Layers; count++)
        {
            var layer = new DecoderLayer(config, rotary);
            made?.Invoke(layer);
            layers.append(layer);
        }

        norm = new RmsNorm(config.Hidden, config.NormEpsilon);
        RegisterComponents();
    }

    /// <value>See <see cref="CausalLanguageModel.CheckpointsActivations"/>.</value>
    public bool CheckpointsActivations { get; set; }

    /// <value>The parameters that are in no layer.</value>
    public IEnumerable<Parameter> OwnParameters => embed_tokens.parameters().Concat(norm.parameters());

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var stream = CheckpointedLayer.Run(layers, embed_tokens.call(input), CheckpointsActivations);
        return norm.call(stream).MoveToOuterDisposeScope();
    }

    /// <summary>Scores of every token, where the embedding's table is the head too.</summary>
    public Tensor Scores(Tensor stream)
    {
        using var table = embed_tokens.weight!;
        return functional.linear(stream, table);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            rotary.Dispose();
        base.Dispose(disposing);
    }
}
