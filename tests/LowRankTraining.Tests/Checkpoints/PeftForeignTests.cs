using System.Text;
using System.Text.Json.Nodes;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>Adapters as other programs write them: what PEFT would make of them is made of them, or they are refused by the field that stands in the
/// way.</summary>
public sealed class PeftForeignTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lowrank-").FullName;

    private string Config => Path.Combine(_folder, "adapter_config.json");

    private string Tensors => Path.Combine(_folder, "adapter_model.safetensors");

    [Theory]
    [InlineData("alora_invocation_tokens", "[1, 2]", "aLoRA")]
    [InlineData("arrow_config", """{"top_k": 2}""", "Arrow")]
    [InlineData("use_qalora", "true", "QALoRA")]
    [InlineData("use_bdlora", """{"nblocks": 2}""", "block-diagonal")]
    [InlineData("lora_bias", "true", "bias")]
    [InlineData("trainable_token_indices", "[5]", "more than factors")]
    [InlineData("target_parameters", """["experts.gate"]""", "no layers' weights")]
    [InlineData("layer_replication", "[[0, 4], [2, 6]]", "repeated")]
    [InlineData("megatron_config", """{"tensor_model_parallel_size": 2}""", "Megatron")]
    [InlineData("monteclora_config", """{"num_samples": 8}""", "MonteCLoRA")]
    [InlineData("kasa_config", """{"beta": 0.0001}""", "KaSA")]
    [InlineData("a_variant_of_next_year", "0.5", "does not know what it means")]
    public void Variant_of_LoRA_is_refused_by_the_name_of_its_field(string field, string value, string meaning)
    {
        Write(config => config[field] = JsonNode.Parse(value));

        FluentActions.Invoking(() => PeftAdapter.MethodOf(_folder)).Should().Throw<InvalidDataException>().WithMessage($"*{field} is *{meaning}*");
    }

    [Theory]
    [InlineData("lora_dropout", "null"), InlineData("alpha_pattern", "null"), InlineData("exclude_modules", """["lm_head"]""")]
    [InlineData("a_variant_of_next_year", "null"), InlineData("another", "false"), InlineData("third", "{}")]
    [InlineData("layers_to_transform", "[0]"), InlineData("qalora_group_size", "16"), InlineData("megatron_core", "\"megatron.core\"")]
    [InlineData("init_lora_weights", "\"mica\""), InlineData("init_lora_weights", "\"eva\""), InlineData("init_lora_weights", "\"orthogonal\"")]
    public void Field_that_changes_nothing_is_passed_over(string field, string value)
    {
        Write(config => config[field] = JsonNode.Parse(value));

        PeftAdapter.MethodOf(_folder).Should().BeOfType<LoRA>().Which.Dropout.Should().Be(0);
        Loaded().Should().NotThrow();
    }

    [Theory, InlineData("utf-8"), InlineData("utf-16")]
    public void Configuration_that_an_editor_has_saved_with_a_byte_order_mark_is_read(string encoding)
    {
        Write(config => config["lora_alpha"] = 3);
        File.WriteAllText(Config, File.ReadAllText(Config), Encoding.GetEncoding(encoding));

        PeftAdapter.MethodOf(_folder).Alpha.Should().Be(3);
    }

    /// <summary>Every field that peft 0.21.0 has for LoRA, at its default: as <c>save_pretrained</c> writes them.</summary>
    [Fact]
    public void Configuration_of_PEFT_0_21_is_read()
    {
        Write(config =>
        {
            var defaults = JsonNode.Parse("""
                {
                  "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null, "base_model_name_or_path": "contoso/small",
                  "bias": "none", "corda_config": null, "ensure_weight_tying": false, "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false,
                  "inference_mode": true, "init_lora_weights": true, "kasa_config": null, "layer_replication": null, "layers_pattern": null,
                  "layers_to_transform": null,
                  "loftq_config": {}, "lora_bias": false, "lora_dropout": 0.0, "lora_ga_config": null, "megatron_config": null,
                  "megatron_core": "megatron.core", "modules_to_save": null, "monteclora_config": null, "peft_version": "0.21.0", "qalora_group_size": 16,
                  "rank_pattern": {}, "revision": null, "target_modules": ["second", "first"], "target_parameters": null, "task_type": "CAUSAL_LM",
                  "trainable_token_indices": null, "use_bdlora": null, "use_dora": false, "use_qalora": false, "use_rslora": false, "velora_config": null
                }
                """)!.AsObject();
            foreach (var (field, value) in defaults)
                config[field] = value?.DeepClone();
        });

        PeftAdapter.MethodOf(_folder).Should().BeOfType<LoRA>().Which.Rank.Should().Be(4);
        Loaded().Should().NotThrow();
    }

    [Fact]
    public void What_is_left_out_is_the_default_of_PEFT()
    {
        Write(config =>
        {
            config.AsObject().Remove("r");
            config.AsObject().Remove("lora_alpha");
            config.AsObject().Remove("lora_dropout");
        });

        var method = PeftAdapter.LoRAOf(_folder);

        (method.Rank, method.Alpha, method.Dropout).Should().Be((8, 8, 0));
    }

    [Fact]
    public void Of_patterns_that_overlap_the_first_counts()
    {
        Write(config => config["alpha_pattern"] = JsonNode.Parse("""{"fir.*": 2, "first": 32}"""));

        using var model = Seeded(new OpenNetwork());
        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);

        Scales(model).Should().Equal(2 / 4.0, 8 / 4.0);
    }

    /// <summary>PEFT knows no name of a weight, which would match the end of this one.</summary>
    [Fact]
    public void Pattern_like_the_word_weight_is_for_modules_alone()
    {
        Write(config => config["alpha_pattern"] = JsonNode.Parse("""{"w.*": 2, "\\w{5}": 16}"""));

        using var model = Seeded(new OpenNetwork());
        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);

        Scales(model).Should().Equal(16 / 4.0, 8 / 4.0);
    }

    [Theory]
    [InlineData("r", "4.5", "*r holds 4.5, which is no whole number.")]
    [InlineData("use_rslora", "1", "*use_rslora holds 1, which is neither true nor false.")]
    [InlineData("use_dora", "\"yes\"", "*use_dora holds \"yes\", which is neither true nor false.")]
    [InlineData("lora_alpha", "\"16\"", "*lora_alpha holds \"16\", which is no number.")]
    [InlineData("alpha_pattern", """{"first": "8"}""", "*alpha_pattern holds \"8\", which is no number.")]
    public void Value_of_another_kind_is_named_with_its_field(string field, string value, string message)
    {
        Write(config => config[field] = JsonNode.Parse(value));

        FluentActions.Invoking(() => PeftAdapter.MethodOf(_folder)).Should().Throw<InvalidDataException>().WithMessage(message);
    }

    [Fact]
    public void Adapter_for_other_names_is_refused_with_its_own_and_the_nearest_ones()
    {
        Write(_ => { });
        using var within = nn.Sequential(("model", Seeded(new OpenNetwork())));
        using var other = nn.Sequential(("fist", nn.Linear(12, 16)));

        Attaching(within).Should().Throw<ArgumentException>().WithMessage("*of the adapter in *: first.weight, second.weight)*model.first.weight*");
        Attaching(other).Should().Throw<ArgumentException>().WithMessage("*'first.weight' is in no name. The only one is fist.weight.*");

        Action Attaching(nn.Module model) => () => PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
    }

    [Fact]
    public void Pattern_that_is_for_no_layer_is_passed_over()
    {
        Write(config => config["rank_pattern"] = JsonNode.Parse("""{"k_proj": 2, "(a+)+x": 64}"""));

        PeftAdapter.LoRAOf(_folder).RankPattern.Should().BeNull();
        Loaded().Should().NotThrow();
    }

    [Theory]
    [InlineData("(["), InlineData(""), InlineData("a{3,1}")]
    public void Pattern_that_is_none_is_damage(string pattern)
    {
        Write(config => config["rank_pattern"] = new JsonObject { [pattern] = 2 });

        FluentActions.Invoking(() => PeftAdapter.MethodOf(_folder)).Should().Throw<InvalidDataException>().WithMessage("*in rank_pattern*");
    }

    [Fact]
    public void Pattern_that_takes_for_ever_is_damage()
    {
        using var scope = NewDisposeScope();
        var module = new string('a', 60);
        Write(config => config["rank_pattern"] = new JsonObject { [@"(a*)*\1b"] = 2 });
        SafeTensorsFile.Write(Tensors, [($"base_model.model.{module}.lora_A.weight", ones(2, 2)), ($"base_model.model.{module}.lora_B.weight", ones(2, 2))]);

        FluentActions.Invoking(() => PeftAdapter.MethodOf(_folder)).Should().Throw<InvalidDataException>().WithMessage("*more ways to match*");
    }

    [Theory]
    [InlineData("lm_head", "lm_head.weight", "lm_head.bias")]
    [InlineData("norm", "norm.weight", "norm.bias")]
    public void Whole_modules_of_an_adapter_are_copied_into_the_model(string module, params string[] names)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        Write(config => config["modules_to_save"] = new JsonArray(module),
            [.. names.Select(name => (name, Normal(5, ScalarType.Float32, Shape(model, name))))]);
        var before = Weights(model);

        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);

        foreach (var name in names)
            Values(model.get_parameter(name)!).Should().Equal(Values(Normal(5, ScalarType.Float32, Shape(model, name))));
        var others = before.Keys.Except(names).Where(name => name is not "first.weight" and not "first.bias" and not "second.weight").ToArray();
        Weights(model).Where(pair => others.Contains(pair.Key)).Should().BeEquivalentTo(before.Where(pair => others.Contains(pair.Key)));
    }

    /// <summary>PEFT keeps the bias of an adapted layer under base_layer, and with "all" those of other modules under their names; and embedding and head
    /// where their size has changed.</summary>
    [Theory]
    [InlineData("all", "first.base_layer.bias", "first.bias"), InlineData("all", "norm.bias", "norm.bias")]
    [InlineData("lora_only", "first.base_layer.bias", "first.bias"), InlineData("none", "lm_head.weight", "lm_head.weight")]
    public void Tensors_that_are_no_factors_are_copied_into_the_model(string biases, string saved, string name)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        var values = Normal(5, ScalarType.Float32, Shape(model, name));
        Write(config => config["bias"] = biases, (saved, values));

        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);

        Values(model.named_parameters().Single(pair => pair.name.Replace("base.", "") == name).parameter).Should().Equal(Values(values));
    }

    [Fact]
    public void Factors_of_an_embedding_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        Write(_ => { }, ("embed.lora_embedding_A", ones(4, 10)), ("embed.lora_embedding_B", ones(12, 4)));

        Loaded().Should().Throw<InvalidDataException>().WithMessage("*'base_model.model.embed.lora_embedding_A', a factor of an embedding*not adapted here*");
    }

    /// <summary>PEFT takes "in_norm" for "norm", and keeps its tensors too; and a head whose name begins as those of factors do.</summary>
    [Fact]
    public void Modules_whose_names_end_with_a_saved_one_belong_to_the_adapter()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(nn.Sequential(("first", nn.Linear(12, 16)), ("in_norm", nn.LayerNorm(16)), ("second", nn.Linear(16, 16)),
            ("norm", nn.LayerNorm(16)), ("lora_head", nn.Linear(16, 6))));
        string[] names = ["norm.weight", "norm.bias", "in_norm.weight", "in_norm.bias", "lora_head.weight", "lora_head.bias"];
        Write(config => config["modules_to_save"] = new JsonArray("norm", "lora_head"),
            [.. names.Select(name => (name, Normal(5, ScalarType.Float32, Shape(model, name))))]);

        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);

        foreach (var name in names)
            Values(model.get_parameter(name)!).Should().Equal(Values(Normal(5, ScalarType.Float32, Shape(model, name))));
    }

    [Theory]
    [InlineData("lm_head.weight", 3, "*'base_model.model.lm_head.weight' is [3, 3], and the model's is [6, 16]*")]
    [InlineData("lm_head.scale", 3, "*the model has no such parameter*")]
    public void Module_that_does_not_fit_changes_nothing(string name, long size, string message)
    {
        using var scope = NewDisposeScope();
        Write(config => config["modules_to_save"] = new JsonArray("lm_head"), (name, ones(size, size)));
        using var model = Seeded(new OpenNetwork());
        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
        var before = Weights(model);

        session.Invoking(it => PeftAdapter.Load(_folder, it)).Should().Throw<InvalidDataException>().WithMessage(message);

        Weights(model).Should().BeEquivalentTo(before);
    }

    [Theory]
    [InlineData("lora_alpha", "16"), InlineData("r", "5"), InlineData("use_rslora", "true"), InlineData("lora_dropout", "0.5")]
    [InlineData("rank_pattern", """{"first": 3}"""), InlineData("modules_to_save", """["lm_head"]""")]
    public void Configuration_of_another_adapter_beside_our_tensors_is_noticed(string field, string value)
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4 }.Attach(model);
        PeftAdapter.Save(_folder, session);
        var config = JsonNode.Parse(File.ReadAllText(Config))!;
        config[field] = JsonNode.Parse(value);
        File.WriteAllText(Config, config.ToJsonString());

        session.Invoking(it => PeftAdapter.Load(_folder, it)).Should().Throw<InvalidDataException>()
            .WithMessage("*not the one that adapter_model.safetensors was saved with*");
        FluentActions.Invoking(() => PeftAdapter.MethodOf(_folder)).Should().Throw<InvalidDataException>();
    }

    [Fact]
    public void Name_of_the_base_model_may_be_filled_in_later()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4 }.Attach(model);
        PeftAdapter.Save(_folder, session);
        var config = JsonNode.Parse(File.ReadAllText(Config))!;
        config["base_model_name_or_path"] = "contoso/small";
        File.WriteAllText(Config, config.ToJsonString());

        session.Invoking(it => PeftAdapter.Load(_folder, it)).Should().NotThrow();
    }

    [Fact]
    public void Nothing_unfinished_stays_beside_an_adapter()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4 }.Attach(model);
        File.WriteAllText($"{Tensors}.{Guid.NewGuid():N}.tmp", "killed");
        File.WriteAllText($"{Config}.{Guid.NewGuid():N}.tmp", "killed");

        PeftAdapter.Save(_folder, session);

        Directory.GetFiles(_folder).Should().BeEquivalentTo(Tensors, Config);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>An adapter of rank 4 and α 8 for two layers, as PEFT writes it.</summary>
    private void Write(Action<JsonNode> edit, params (string Name, Tensor Tensor)[] others)
    {
        using var scope = NewDisposeScope();
        var config = JsonNode.Parse("""{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none", "init_lora_weights": true}""")!;
        edit(config);
        File.WriteAllText(Config, config.ToJsonString());
        SafeTensorsFile.Write(Tensors,
        [
            ("base_model.model.first.lora_A.weight", Normal(1, ScalarType.Float32, 4, 12)),
            ("base_model.model.first.lora_B.weight", Normal(2, ScalarType.Float32, 16, 4)),
            ("base_model.model.second.lora_A.weight", Normal(3, ScalarType.Float32, 4, 16)),
            ("base_model.model.second.lora_B.weight", Normal(4, ScalarType.Float32, 16, 4)),
            .. others.Select(other => ($"base_model.model.{other.Name}", other.Tensor)),
        ]);
    }

    private Action Loaded() => () =>
    {
        using var model = Seeded(new OpenNetwork());
        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);
    };

    private static long[] Shape(nn.Module model, string name) => model.get_parameter(name)!.shape;

    private static IEnumerable<double> Scales(nn.Module model) =>
        model.named_children().Select(child => child.module).OfType<LowRankLinear>().Select(layer => layer.Scale);
}
