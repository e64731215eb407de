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
    public Decoder(LlamaConfig config) : base(nameof(Decoder))
    {
        rotary = new RotaryPositions(config.HeadDimension, config.RotaryBase);
        embed_tokens = Embedding(config.Vocabulary, config.Hidden);
        layers = new ModuleList<DecoderLayer>([.. Enumerable.Range(0, config.Layers).Select(_ => new DecoderLayer(config, rotary))]);
        norm = new RmsNorm(config.Hidden, config.NormEpsilon);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var stream = embed_tokens.call(input);
        foreach (var layer in layers)
            stream = layer.call(stream);

        return norm.call(stream).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            rotary.Dispose();
        base.Dispose(disposing);
    }
}
