using System.Text.RegularExpressions;
using LanguageModel.Model;

namespace FineTune.HuggingFace;

/// <summary>GPT-2 in its four sizes, and DistilGPT-2.</summary>
internal sealed partial class Gpt2Family : Family
{
    private const string Root = "transformer.", Head = "lm_head.weight";

    public override IReadOnlyList<string> Architectures => ["GPT2LMHeadModel"];

    public override bool StoresTransposed => true;

    public override (int Vocabulary, int? Positions) Limits(ModelConfig config)
    {
        var sizes = Sizes(config);
        return (sizes.Vocabulary, sizes.Positions);
    }

    public override CausalLanguageModel Create(ModelConfig config) => new Gpt2(Sizes(config), seed: 0);

    public override IEnumerable<(string Name, long[] Shape)> Shapes(ModelConfig config) => Sizes(config).Shapes;

    /// <remarks>The first files were saved without the name of the root module.</remarks>
    public override (string Parameter, bool IsTransposed)? ParameterOf(string tensor, ModelConfig config) =>
        Mask().IsMatch(tensor) ? null
        : tensor == Head ? ($"{Root}wte.weight", false)
        : (tensor.StartsWith(Root, StringComparison.Ordinal) ? tensor : Root + tensor, Matrix().IsMatch(tensor));

    private static Gpt2Config Sizes(ModelConfig config)
    {
        config.Require(config.Word("activation_function") is null or "gelu_new" or "gelu_pytorch_tanh",
            $"has the activation {config.Word("activation_function")}; only gelu_new is known here");
        config.Require(config.Flag("tie_word_embeddings", true), "has a head of its own; only GPT-2s whose head is the embedding are known here");
        config.Require(config.Flag("scale_attn_weights", true) && !config.Flag("scale_attn_by_inverse_layer_idx", false)
            && !config.Flag("add_cross_attention", false), "scales attention in another way than GPT-2, or attends to another text, which is not known here");

        var model = new Gpt2Config
        {
            Hidden = config.Whole("n_embd"),
            Layers = config.Whole("n_layer"),
            Heads = config.Whole("n_head"),
            Intermediate = config.Whole("n_inner", 4 * config.Whole("n_embd")),
            Positions = config.Whole("n_positions", config.Whole("n_ctx", 1024)),
            Vocabulary = config.Whole("vocab_size"),
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
        };
        config.Require(model.Heads > 0 && model.Hidden % model.Heads == 0,
            $"has {model.Heads} heads, which do not divide the width of {model.Hidden}");
        return model;
    }

    [GeneratedRegex(@"h\.\d+\.attn\.(bias|masked_bias)$")]
    private static partial Regex Mask();

    [GeneratedRegex(@"\.(c_attn|c_proj|c_fc)\.weight$")]
    private static partial Regex Matrix();
}
