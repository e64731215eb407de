using System.Text.Json;
using System.Text.Json.Nodes;
using LowRankTraining.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.FineTuning;

/// <summary>A small model with random weights, in a folder as Hugging Face's save_pretrained writes it, and the same weights in double precision.</summary>
internal sealed class RandomModel
{
    public const int Vocabulary = 300;

    private readonly Dictionary<string, (long[] Shape, double[] Values)> weights = [];
    private readonly Random random = new(7);

    private RandomModel(JsonObject config) => Config = config;

    public JsonObject Config { get; }

    /// <summary>The weights by the names in the files, row after row.</summary>
    public double[] this[string name] => weights[name].Values;

    public static RandomModel Llama(Action<JsonObject>? change = null)
    {
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray("LlamaForCausalLM"), ["hidden_act"] = "silu", ["hidden_size"] = 32, ["intermediate_size"] = 48,
            ["num_hidden_layers"] = 2, ["num_attention_heads"] = 4, ["num_key_value_heads"] = 2, ["vocab_size"] = Vocabulary, ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 500.0, ["max_position_embeddings"] = 128, ["tie_word_embeddings"] = false, ["eos_token_id"] = Tokens.End,
        };
        change?.Invoke(config);

        var model = new RandomModel(config);
        int hidden = model.Size("hidden_size"), inner = model.Size("intermediate_size"), heads = model.Size("num_attention_heads");
        var feature = config["head_dim"]?.GetValue<int>() ?? hidden / heads;
        var (queries, keys) = (heads * feature, model.Size("num_key_value_heads") * feature);
        var (qkvBias, outBias) = (model.Architecture == "Qwen2ForCausalLM" || model.Flag("attention_bias"), model.Flag("attention_bias"));
        model.Add("model.embed_tokens.weight", 1, Vocabulary, hidden);
        for (var layer = 0; layer < model.Size("num_hidden_layers"); layer++)
        {
            var root = $"model.layers.{layer}.";
            model.Linear($"{root}self_attn.q_proj", queries, hidden, qkvBias);
            model.Linear($"{root}self_attn.k_proj", keys, hidden, qkvBias);
            model.Linear($"{root}self_attn.v_proj", keys, hidden, qkvBias);
            model.Linear($"{root}self_attn.o_proj", hidden, queries, outBias);
            model.Linear($"{root}mlp.gate_proj", inner, hidden, model.Flag("mlp_bias"));
            model.Linear($"{root}mlp.up_proj", inner, hidden, model.Flag("mlp_bias"));
            model.Linear($"{root}mlp.down_proj", hidden, inner, model.Flag("mlp_bias"));
            model.Add($"{root}input_layernorm.weight", 1, hidden);
            model.Add($"{root}post_attention_layernorm.weight", 1, hidden);
        }

        model.Add("model.norm.weight", 1, hidden);
        if (!model.Flag("tie_word_embeddings"))
            model.Add("lm_head.weight", 0.3, Vocabulary, hidden);
        return model;
    }

    public static RandomModel Gpt2(string root = "", Action<JsonObject>? change = null)
    {
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray("GPT2LMHeadModel"), ["activation_function"] = "gelu_new", ["n_embd"] = 32, ["n_layer"] = 2, ["n_head"] = 4,
            ["n_positions"] = 64, ["vocab_size"] = Vocabulary, ["layer_norm_epsilon"] = 1e-5, ["eos_token_id"] = Tokens.End,
        };
        change?.Invoke(config);

        var model = new RandomModel(config);
        int hidden = model.Size("n_embd"), inner = config["n_inner"]?.GetValue<int>() ?? 4 * hidden;
        model.Add($"{root}wte.weight", 0.5, Vocabulary, hidden);
        model.Add($"{root}wpe.weight", 0.5, model.Size("n_positions"), hidden);
        for (var layer = 0; layer < model.Size("n_layer"); layer++)
        {
            model.Norm($"{root}h.{layer}.ln_1", hidden);
            model.Conv1D($"{root}h.{layer}.attn.c_attn", hidden, 3 * hidden);
            model.Conv1D($"{root}h.{layer}.attn.c_proj", hidden, hidden);
            model.Norm($"{root}h.{layer}.ln_2", hidden);
            model.Conv1D($"{root}h.{layer}.mlp.c_fc", hidden, inner);
            model.Conv1D($"{root}h.{layer}.mlp.c_proj", inner, hidden);
            model.Add($"{root}h.{layer}.attn.bias", 1, 1, 1, model.Size("n_positions"), model.Size("n_positions"));
        }

        model.Norm($"{root}ln_f", hidden);
        return model;
    }

    public string Architecture => Config["architectures"]![0]!.GetValue<string>();

    public int Size(string name) => Config[name]!.GetValue<int>();

    public double Number(string name) => Config[name]!.GetValue<double>();

    public bool Flag(string name) => Config[name]?.GetValue<bool>() ?? false;

    public bool Has(string name) => weights.ContainsKey(name);

    /// <summary>Writes the folder, in one file or in several.</summary>
    public string Write(string folder, int shards = 1, ScalarType type = ScalarType.Float32, bool tokenizer = true)
    {
        using var scope = NewDisposeScope();
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config.ToJsonString());
        if (tokenizer)
            Tokens.Write(folder);

        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        var parts = weights.Chunk((weights.Count + shards - 1) / shards).ToArray();
        var map = new JsonObject();
        for (var part = 0; part < parts.Length; part++)
        {
            var file = shards == 1 ? "model.safetensors" : $"model-{part + 1:00000}-of-{shards:00000}.safetensors";
            SafeTensorsFile.Write(Path.Combine(folder, file),
                [.. parts[part].Select(weight => (weight.Key, tensor(weight.Value.Values, weight.Value.Shape).to(type)))], metadata);
            foreach (var (name, _) in parts[part])
                map[name] = file;
        }

        if (shards > 1)
            File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"),
                new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString());
        return folder;
    }

    private void Linear(string name, int outputs, int inputs, bool hasBias)
    {
        Add($"{name}.weight", 0.3, outputs, inputs);
        if (hasBias)
            Add($"{name}.bias", 0.5, outputs);
    }

    private void Conv1D(string name, int inputs, int outputs)
    {
        Add($"{name}.weight", 0.3, inputs, outputs);
        Add($"{name}.bias", 0.5, outputs);
    }

    private void Norm(string name, int features)
    {
        Add($"{name}.weight", 1, features);
        Add($"{name}.bias", 0.5, features);
    }

    private void Add(string name, double size, params long[] shape) =>
        weights[name] =
            (shape, [.. Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b)).Select(_ => (double)(float)(size * (2 * random.NextDouble() - 1)))]);
}
