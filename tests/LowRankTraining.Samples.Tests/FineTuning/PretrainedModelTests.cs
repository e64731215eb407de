using System.Text.Json.Nodes;
using FineTune.HuggingFace;
using FluentAssertions;
using LanguageModel;
using LowRankTraining.Checkpoints;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.FineTuning;

public sealed class PretrainedModelTests : IDisposable
{
    private static readonly int[] Text = [.. Enumerable.Range(0, 40).Select(place => place * 97 % RandomModel.Vocabulary)];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, string> Llamas => new()
    {
        { "grouped keys", "{}" },
        { "one key head each", """{"num_key_value_heads": 4}""" },
        { "one key head for all, wide heads", """{"num_key_value_heads": 1, "head_dim": 16}""" },
        { "shared embedding", """{"tie_word_embeddings": true}""" },
        { "biases everywhere", """{"attention_bias": true, "mlp_bias": true}""" },
        { "Qwen 2", """{"architectures": ["Qwen2ForCausalLM"]}""" },
        { "Mistral", """{"architectures": ["MistralForCausalLM"], "sliding_window": 64}""" },
        { "linear scaling", """{"rope_scaling": {"rope_type": "linear", "factor": 2.0}}""" },
        {
            "Llama 3.1",
            """
            {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}
            """
        },
    };

    [Theory, MemberData(nameof(Llamas))]
    public void Logits_of_a_llama_are_those_of_a_forward_pass_in_double_precision(string kind, string changes)
    {
        var model = RandomModel.Llama(config =>
        {
            foreach (var (name, value) in JsonNode.Parse(changes)!.AsObject())
                config[name] = value!.DeepClone();
        });

        using var loaded = PretrainedModel.Load(model.Write(folder.Path), ScalarType.Float32, CPU);

        LargestDifference(Logits(loaded), ReferenceForward.Llama(model, Text)).Should().BeLessThan(1e-4, kind);
    }

    [Theory]
    [InlineData("")]
    [InlineData("transformer.")]
    public void Logits_of_a_GPT2_are_those_of_a_forward_pass_in_double_precision(string root)
    {
        var model = RandomModel.Gpt2(root, config => config["n_inner"] = 80);

        using var loaded = PretrainedModel.Load(model.Write(folder.Path), ScalarType.Float32, CPU);

        LargestDifference(Logits(loaded), ReferenceForward.Gpt2(model, root, Text)).Should().BeLessThan(1e-4);
    }

    [Theory]
    [InlineData(true, 1, ScalarType.Float32)]
    [InlineData(true, 3, ScalarType.BFloat16)]
    [InlineData(false, 1, ScalarType.Float16)]
    [InlineData(false, 2, ScalarType.Float32)]
    public void Model_that_is_read_and_written_is_the_same_file_by_file(bool isLlama, int shards, ScalarType type)
    {
        var source = (isLlama ? RandomModel.Llama(config => config["tie_word_embeddings"] = true) : RandomModel.Gpt2())
            .Write(Path.Combine(folder.Path, "from"), shards, type);
        var target = Path.Combine(folder.Path, "to");

        using (var loaded = PretrainedModel.Load(source, ScalarType.Float32, CPU))
            loaded.Save(target);

        Directory.EnumerateFiles(target).Select(Path.GetFileName).Should().BeEquivalentTo(Directory.EnumerateFiles(source).Select(Path.GetFileName));
        foreach (var path in Directory.EnumerateFiles(source))
            File.ReadAllBytes(Path.Combine(target, Path.GetFileName(path))).Should().Equal(File.ReadAllBytes(path), Path.GetFileName(path));
    }

    [Fact]
    public void Head_that_is_the_embedding_is_written_as_the_embedding()
    {
        var source = RandomModel.Gpt2("transformer.").Write(Path.Combine(folder.Path, "from"));
        var path = Path.Combine(source, "model.safetensors");
        Change(path, tensors => [.. tensors, ("lm_head.weight", tensors.First(pair => pair.Name == "transformer.wte.weight").Tensor * 7)]);
        var target = Path.Combine(folder.Path, "to");

        using (var loaded = PretrainedModel.Load(source, ScalarType.Float32, CPU))
            loaded.Save(target);

        using var written = SafeTensorsFile.Open(Path.Combine(target, "model.safetensors"));
        using var original = SafeTensorsFile.Open(path);
        using var scope = NewDisposeScope();
        written.Read("lm_head.weight").data<float>().ToArray().Should().Equal(original.Read("transformer.wte.weight").data<float>().ToArray());
    }

    [Fact]
    public void Architecture_that_is_not_known_is_refused_by_name_with_those_that_are()
    {
        RandomModel.Llama(config => config["architectures"] = new JsonArray("BertForMaskedLM")).Write(folder.Path);

        Load().Should().Throw<UserException>()
            .WithMessage("*BertForMaskedLM cannot be read*LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, GPT2LMHeadModel*");
    }

    [Fact]
    public void Folder_without_a_model_is_refused() => Load().Should().Throw<UserException>().WithMessage("There is no model in*config.json is missing*");

    /// <summary>The commonest mistake: the name of a model in place of a folder.</summary>
    [Fact]
    public void Name_of_a_model_is_no_folder() => FluentActions.Invoking(() => PretrainedModel.Load("contoso/llama-7b", ScalarType.Float32, CPU)).Should()
        .Throw<UserException>().WithMessage("There is no folder *contoso*llama-7b. Nothing is downloaded: get a model by 'hf download*");

    [Fact]
    public void Missing_file_of_several_is_named()
    {
        RandomModel.Llama().Write(folder.Path, shards: 3);
        File.Delete(Path.Combine(folder.Path, "model-00002-of-00003.safetensors"));

        Load().Should().Throw<UserException>().WithMessage("*model-00002-of-00003.safetensors is missing*names 3 files*");
    }

    /// <summary>The files that are written have the names of those that were read.</summary>
    [Theory]
    [InlineData("../elsewhere.safetensors"), InlineData("/elsewhere.safetensors"), InlineData("below/model.safetensors")]
    public void Index_that_leads_out_of_the_folder_is_refused(string file)
    {
        RandomModel.Llama().Write(folder.Path, shards: 2);
        var index = new JsonObject { ["weight_map"] = new JsonObject { ["model.norm.weight"] = file } };
        folder.Write("model.safetensors.index.json", index.ToJsonString());

        Load().Should().Throw<UserException>().WithMessage($"*index.json names a file outside of the folder, '{file}'.");
    }

    [Theory]
    [InlineData("{"), InlineData("[]"), InlineData("{}"), InlineData("""{"weight_map": []}"""), InlineData("""{"weight_map": {"a": 5}}""")]
    [InlineData("""{"weight_map": {"a": null}}"""), InlineData("""{"weight_map": {"a": "x", "a": "y"}}""")]
    public void Damaged_index_is_named(string text)
    {
        RandomModel.Llama().Write(folder.Path, shards: 2);
        folder.Write("model.safetensors.index.json", text);

        Load().Should().Throw<UserException>().WithMessage("*model.safetensors.index.json cannot be read:*weight_map*Download the model again.");
    }

    /// <summary>Codes of 8 bits would be read as weights between 0 and 255.</summary>
    [Fact]
    public void Weights_of_a_quantized_model_are_not_taken_for_numbers()
    {
        RandomModel.Llama().Write(folder.Path);
        Change(Path.Combine(folder.Path, "model.safetensors"), tensors => [.. tensors.Select(pair =>
            pair.Name.EndsWith("gate_proj.weight", StringComparison.Ordinal) ? (pair.Name, pair.Tensor.mul(100).to(ScalarType.Int8)) : pair)]);

        Load().Should().Throw<UserException>().WithMessage("*gate_proj.weight' is of dtype Int8, as in a quantized model, which cannot be read*");
    }

    [Fact]
    public void Weights_that_are_no_numbers_are_refused_before_they_are_trained()
    {
        RandomModel.Llama().Write(folder.Path);
        Change(Path.Combine(folder.Path, "model.safetensors"), tensors =>
            [.. tensors.Select(pair => pair.Name == "model.norm.weight" ? (pair.Name, pair.Tensor / 0) : pair)]);

        Load().Should().Throw<UserException>().WithMessage("'model.norm.weight' in *holds NaN or infinity*");
    }

    [Fact]
    public void Missing_weights_are_named()
    {
        RandomModel.Llama().Write(folder.Path);
        File.Delete(Path.Combine(folder.Path, "model.safetensors"));

        Load().Should().Throw<UserException>().WithMessage("There are no weights in*model.safetensors is missing*safe_serialization*");
    }

    [Fact]
    public void Weight_of_another_shape_is_named_with_both()
    {
        var model = RandomModel.Llama();
        model.Write(folder.Path);
        model.Config["intermediate_size"] = 52;
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), model.Config.ToJsonString());

        Load().Should().Throw<UserException>().WithMessage("*mlp.gate_proj.weight' is [48, 32], and config.json calls for [52, 32]*");
    }

    /// <summary>A model of two thousand million layers would take all memory before a shape could be compared, and their names a long time.</summary>
    [Theory]
    [InlineData(true, "num_hidden_layers", "*'model.layers.2.input_layernorm.weight' is missing*; and more.")]
    [InlineData(false, "n_layer", "*'transformer.h.2.ln_1.weight' is missing*; and more.")]
    [InlineData(true, "vocab_size", "*'model.embed_tokens.weight' is [300, 32], and config.json calls for [2000000000, 32]*")]
    [InlineData(true, "hidden_size", "*calls for [300, 2000000000]*; and more.")]
    [InlineData(false, "n_positions", "*calls for [2000000000, *].")]
    public void Sizes_beyond_the_files_are_refused_before_the_model_is_made(bool isLlama, string size, string message)
    {
        var model = isLlama ? RandomModel.Llama() : RandomModel.Gpt2();
        model.Write(folder.Path);
        model.Config[size] = 2_000_000_000;
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), model.Config.ToJsonString());

        Load().Should().Throw<UserException>().WithMessage("The weights in * are not those of the *" + message);
    }

    [Theory]
    [InlineData(true), InlineData(true, "tie_word_embeddings"), InlineData(true, "attention_bias", "mlp_bias"), InlineData(false)]
    public void Shapes_that_a_configuration_calls_for_are_those_that_the_model_has(bool isLlama, params string[] flags)
    {
        var written = isLlama ? RandomModel.Llama(config => Array.ForEach(flags, flag => config[flag] = true)) : RandomModel.Gpt2();
        written.Write(folder.Path);

        using var model = PretrainedModel.Load(folder.Path, ScalarType.Float32, CPU);

        model.Family.Shapes(model.Config).Select(Line).Should()
            .BeEquivalentTo(model.Model.named_parameters().Select(pair => Line((pair.name, pair.parameter.shape))));

        static string Line((string Name, long[] Shape) parameter) => $"{parameter.Name} [{string.Join(", ", parameter.Shape)}]";
    }

    [Fact]
    public void Tensors_that_are_missing_or_have_no_place_are_named()
    {
        RandomModel.Llama().Write(folder.Path);
        Change(Path.Combine(folder.Path, "model.safetensors"), tensors =>
            [.. tensors.Select(pair => pair.Name == "model.norm.weight" ? ("model.last_norm.weight", pair.Tensor) : pair)]);

        Load().Should().Throw<UserException>().WithMessage("*'model.norm.weight' is missing; 'model.last_norm.weight' has no place*");
    }

    [Theory]
    [InlineData("hidden_act", "\"gelu\"", "*activation gelu*")]
    [InlineData("hidden_size", "null", "*does not say hidden_size*")]
    [InlineData("hidden_size", "\"32\"", "*config.json has \"32\" for hidden_size, which is no whole number.")]
    [InlineData("hidden_size", "32.5", "*config.json has 32.5 for hidden_size, which is no whole number.")]
    [InlineData("hidden_size", "[]", "*config.json has * for hidden_size, which is no whole number.")]
    [InlineData("architectures", "[5]", "*config.json does not say which architecture*")]
    [InlineData("architectures", "\"LlamaForCausalLM\"", "*config.json does not say which architecture*")]
    [InlineData("num_key_value_heads", "3", "*4 heads of attention and 3 of keys*")]
    [InlineData("rope_scaling", """{"rope_type": "yarn", "factor": 4.0}""", "*'yarn'*default, linear and llama3*")]
    [InlineData("rope_scaling", """{"type": "linear"}""", "*config.json, in rope_scaling, does not say factor.")]
    [InlineData("rope_scaling", """{"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 64}""",
        "*config.json, in rope_scaling, has a low_freq_factor that is not below its high_freq_factor.")]
    [InlineData("rope_parameters", """{"rope_type": "linear", "factor": 0}""", "*config.json, in rope_parameters, has 0 for factor, which must be above 0.")]
    [InlineData("partial_rotary_factor", "0.5", "*turns only a part of each head*")]
    [InlineData("layer_types", """["full_attention", "sliding_attention"]""", "*asks for a sliding window of attention*")]
    [InlineData("tie_word_embeddings", "\"yes\"", "*has \"yes\" for tie_word_embeddings, which is neither true nor false.")]
    [InlineData("quantization_config", """{"quant_method": "gptq", "bits": 4}""", "*says that the weights are quantized (gptq), which cannot be read*")]
    public void Configuration_that_asks_for_something_else_is_refused(string name, string value, string message)
    {
        var model = RandomModel.Llama();
        model.Write(folder.Path);
        model.Config[name] = JsonNode.Parse(value);
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), model.Config.ToJsonString());

        Load().Should().Throw<UserException>().WithMessage(message);
    }

    /// <summary>Not even the weights' files are looked at.</summary>
    [Fact]
    public void What_cannot_be_read_is_refused_before_anything_is_loaded()
    {
        RandomModel.Llama(config => config["quantization_config"] = new JsonObject { ["quant_method"] = "awq" }).Write(folder.Path);
        File.Delete(Path.Combine(folder.Path, "model.safetensors"));

        Load().Should().Throw<UserException>().WithMessage("*quantized (awq)*");
    }

    [Theory]
    [InlineData("\"sliding_window\": 64", 64)]
    [InlineData("\"sliding_window\": null", 32_768)]
    [InlineData("\"rope_theta\": 500.0", 4096)]
    public void A_Mistral_reads_no_more_than_its_window(string said, int positions)
    {
        var model = RandomModel.Llama(config =>
        {
            config["architectures"] = new JsonArray("MistralForCausalLM");
            config["max_position_embeddings"] = 32_768;
            foreach (var (name, value) in JsonNode.Parse($"{{{said}}}")!.AsObject())
                config[name] = value?.DeepClone();
        });

        using var loaded = PretrainedModel.Load(model.Write(folder.Path), ScalarType.Float32, CPU);

        loaded.Model.Positions.Should().Be(positions);
    }

    /// <summary>Within the rounding of bfloat16, 8 bits, over a few layers; and in no other dtype.</summary>
    [Theory, InlineData(ScalarType.Float32, 0.06), InlineData(ScalarType.BFloat16, 0.2)]
    public void Weights_in_bfloat16_are_read_into_either_dtype(ScalarType type, double tolerance)
    {
        var model = RandomModel.Llama();

        using var loaded = PretrainedModel.Load(model.Write(folder.Path, type: ScalarType.BFloat16), type, CPU);

        loaded.Model.parameters().Select(weight => weight.dtype).Distinct().Should().Equal(type);
        LargestDifference(Logits(loaded), ReferenceForward.Llama(model, Text)).Should().BeLessThan(tolerance);
    }

    [Theory]
    [InlineData("[]"), InlineData("null"), InlineData("5")]
    public void Configuration_that_is_no_object_is_refused(string text)
    {
        folder.Write("config.json", text);

        Load().Should().Throw<UserException>().WithMessage("*config.json holds no object: it should look like*");
    }

    [Theory]
    [InlineData("{0}"), InlineData("{0}/"), InlineData("{0}/../from/.")]
    public void Model_is_not_written_over_itself_whatever_its_folder_is_called(string name)
    {
        using var loaded = PretrainedModel.Load(RandomModel.Llama().Write(Path.Combine(folder.Path, "from")), ScalarType.Float32, CPU);
        var before = Directory.GetFiles(loaded.Folder);

        loaded.Invoking(model => model.Save(string.Format(null, name, loaded.Folder)))
            .Should().Throw<UserException>().WithMessage("*over the one that it came from*");

        Directory.GetFiles(loaded.Folder).Should().BeEquivalentTo(before);
    }

    [Fact]
    public void Model_with_NaN_is_not_written()
    {
        using var loaded = PretrainedModel.Load(RandomModel.Llama().Write(Path.Combine(folder.Path, "from")), ScalarType.Float32, CPU);
        using (no_grad())
            loaded.Model.named_parameters().First(pair => pair.name == "model.norm.weight").parameter.fill_(float.NaN);
        loaded.Invoking(model => model.Save(Path.Combine(folder.Path, "to"))).Should().Throw<UserException>().WithMessage("'model.norm.weight' holds NaN*");
    }

    private Func<PretrainedModel> Load() => () => PretrainedModel.Load(folder.Path, ScalarType.Float32, CPU);

    private static void Change(string path, Func<(string Name, Tensor Tensor)[], (string, Tensor)[]> change)
    {
        using var scope = NewDisposeScope();
        (string, Tensor)[] tensors;
        using (var file = SafeTensorsFile.Open(path))
            tensors = change([.. file.Names.Select(name => (name, file.Read(name)))]);
        SafeTensorsFile.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
    }

    private static double[][] Logits(PretrainedModel loaded)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var logits = loaded.Model.call(tensor(Text.Select(token => (long)token).ToArray()).view(1, -1))[0].to(ScalarType.Float64);
        return [.. Enumerable.Range(0, Text.Length).Select(place => logits[place].data<double>().ToArray())];
    }

    private static double LargestDifference(double[][] actual, double[][] expected) =>
        actual.Zip(expected, (row, other) => row.Zip(other, (a, b) => Math.Abs(a - b)).Max()).Max();
}
