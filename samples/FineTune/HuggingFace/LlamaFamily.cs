using LanguageModel.Model;

namespace FineTune.HuggingFace;

/// <summary>LLaMA and what has its layers: Llama 1 to 3, TinyLlama, SmolLM, Mistral, Qwen 2.</summary>
internal sealed class LlamaFamily : Family
{
    private const string Llama = "LlamaForCausalLM", Mistral = "MistralForCausalLM", Qwen2 = "Qwen2ForCausalLM", Head = "lm_head.weight";

    /// <summary>Tokens that a Mistral sees where its file does not say.</summary>
    private const int UsualWindow = 4096;

    public override IReadOnlyList<string> Architectures => [Llama, Mistral, Qwen2];

    public override (int Vocabulary, int? Positions) Limits(ModelConfig config)
    {
        var sizes = Sizes(config);
        return (sizes.Vocabulary, sizes.Positions);
    }

    public override CausalLanguageModel Create(ModelConfig config) => new Llama(Sizes(config), seed: 0);

    public override IEnumerable<(string Name, long[] Shape)> Shapes(ModelConfig config) => Sizes(config).Shapes;

    public override (string Parameter, bool IsTransposed)? ParameterOf(string tensor, ModelConfig config) =>
        tensor.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) ? null
        : tensor == Head && config.Flag("tie_word_embeddings", false) ? ("model.embed_tokens.weight", false)
        : (tensor, false);

    private static LlamaConfig Sizes(ModelConfig config)
    {
        config.Require(config.Word("hidden_act") is null or "silu", $"has the activation {config.Word("hidden_act")}; only silu is known here");
        config.Require(!config.Flag("use_sliding_window", false) && config.Words("layer_types").All(type => type == "full_attention"),
            "asks for a sliding window of attention, which is not known here");

        var heads = config.Whole("num_attention_heads");
        var hidden = config.Whole("hidden_size");
        var rotary = config.Part("rope_parameters") ?? config.Part("rope_scaling");
        config.Require(config.Number("partial_rotary_factor", rotary?.Number("partial_rotary_factor", 1) ?? 1) == 1,
            "turns only a part of each head by its position (partial_rotary_factor), which is not known here");
        var window = config.Architecture == Mistral ? config.Whole("sliding_window", config.Has("sliding_window") ? int.MaxValue : UsualWindow) : int.MaxValue;
        var model = new LlamaConfig
        {
            Name = config.Architecture,
            Hidden = hidden,
            Intermediate = config.Whole("intermediate_size"),
            Layers = config.Whole("num_hidden_layers"),
            Heads = heads,
            KeyValueHeads = config.Whole("num_key_value_heads", heads),
            HeadDimension = config.Whole("head_dim", hidden / Math.Max(1, heads)),
            Vocabulary = config.Whole("vocab_size"),
            Positions = Math.Min(window, config.Whole("max_position_embeddings", 2048)),
            NormEpsilon = config.Number("rms_norm_eps", 1e-6),
            RotaryBase = rotary?.Number("rope_theta", 0) is > 0 and var theta ? theta : config.Number("rope_theta", 10_000),
            RotaryScaling = rotary is null ? null : Scaling(rotary),
            BiasOnQueries = config.Architecture == Qwen2 || config.Flag("attention_bias", false),
            BiasOnOutput = config.Architecture == Llama && config.Flag("attention_bias", false),
            BiasOnFeedForward = config.Flag("mlp_bias", false),
            SharesEmbedding = config.Flag("tie_word_embeddings", false),
        };
        config.Require(model.KeyValueHeads > 0 && heads % model.KeyValueHeads == 0,
            $"has {heads} heads of attention and {model.KeyValueHeads} of keys, which do not divide them");
        config.Require(model.HeadDimension % 2 == 0, $"has heads of {model.HeadDimension} features, which cannot be turned in pairs");
        return model;
    }

    private static RotaryScaling? Scaling(ModelConfig rotary) => (rotary.Word("rope_type") ?? rotary.Word("type")) switch
    {
        null or "default" => null,
        "linear" => new LinearRotaryScaling(Positive(rotary, "factor")),
        "llama3" => Llama3(rotary),
        var other => throw new LanguageModel.UserException($"The model scales rotary positions by '{other}'; known here are default, linear and llama3."),
    };

    private static Llama3RotaryScaling Llama3(ModelConfig rotary)
    {
        var scaling = new Llama3RotaryScaling(Positive(rotary, "factor"), Positive(rotary, "low_freq_factor"), Positive(rotary, "high_freq_factor"),
            Positive(rotary, "original_max_position_embeddings"));
        rotary.Require(scaling.LowFactor < scaling.HighFactor, "has a low_freq_factor that is not below its high_freq_factor");
        return scaling;
    }

    private static double Positive(ModelConfig rotary, string name)
    {
        var number = rotary.Number(name);
        rotary.Require(number > 0, $"has {number} for {name}, which must be above 0");
        return number;
    }
}
