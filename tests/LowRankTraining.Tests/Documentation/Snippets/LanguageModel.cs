using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>A language model in miniature, with the names of layers that pages use.</summary>
public sealed class LanguageModel : nn.Module<Tensor, Tensor>
{
    public const int Vocabulary = 32;
    private const int Width = 32;

    private readonly Embedding embedding = nn.Embedding(Vocabulary, Width);
    private readonly ModuleList<Block> layers = [new(), new()];
    private readonly nn.Module<Tensor, Tensor> lm_head = nn.Linear(Width, Vocabulary, hasBias: false);

    public LanguageModel() : base(nameof(LanguageModel)) => RegisterComponents();

    public override Tensor forward(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var hidden = layers.Aggregate(embedding.call(tokens), (hidden, layer) => layer.call(hidden));
        return lm_head.call(hidden).MoveToOuterDisposeScope();
    }

    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> norm = nn.LayerNorm(Width);
        private readonly Attention attn = new();
        private readonly nn.Module<Tensor, Tensor> up_proj = nn.Linear(Width, 2 * Width), down_proj = nn.Linear(2 * Width, Width);

        public Block() : base(nameof(Block)) => RegisterComponents();

        public override Tensor forward(Tensor hidden)
        {
            using var scope = NewDisposeScope();
            var mixed = hidden + attn.call(norm.call(hidden));
            return (mixed + down_proj.call(up_proj.call(mixed).relu())).MoveToOuterDisposeScope();
        }
    }

    private sealed class Attention : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> q_proj = nn.Linear(Width, Width), k_proj = nn.Linear(Width, Width);
        private readonly nn.Module<Tensor, Tensor> v_proj = nn.Linear(Width, Width), o_proj = nn.Linear(Width, Width);

        public Attention() : base(nameof(Attention)) => RegisterComponents();

        public override Tensor forward(Tensor hidden)
        {
            using var scope = NewDisposeScope();
            var attended = nn.functional.scaled_dot_product_attention(q_proj.call(hidden), k_proj.call(hidden), v_proj.call(hidden), is_casual: true);
            return o_proj.call(attended).MoveToOuterDisposeScope();
        }
    }
}
