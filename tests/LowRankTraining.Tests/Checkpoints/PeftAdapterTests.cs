using System.Text.Json.Nodes;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

public sealed class PeftAdapterTests : IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    private string Config => Path.Combine(_folder, "adapter_config.json");

    private string Tensors => Path.Combine(_folder, "adapter_model.safetensors");

    [Fact]
    public void Names_shapes_and_configuration_are_those_of_PEFT()
    {
        SaveTrained(
            (Options with { RankPattern = new Dictionary<string, int> { ["second"] = 2 }, AlphaPattern = new Dictionary<string, double> { ["second"] = 3 } }));

        using var file = SafeTensorsFile.Open(Tensors);
        file.Metadata.Should().Contain("format", "pt");
        file.Names.ToDictionary(name => name, name => string.Join('x', file.ShapeOf(name))).Should().BeEquivalentTo(new Dictionary<string, string>
        {
            ["base_model.model.first.lora_A.weight"] = "4x12",
            ["base_model.model.first.lora_B.weight"] = "16x4",
            ["base_model.model.second.lora_A.weight"] = "2x16",
            ["base_model.model.second.lora_B.weight"] = "16x2",
        });
        var config = JsonNode.Parse(File.ReadAllText(Config))!;
        (config["peft_type"]!.GetValue<string>(), config["bias"]!.GetValue<string>()).Should().Be(("LORA", "none"));
        (config["r"]!.GetValue<int>(), config["lora_alpha"]!.GetValue<int>(), config["lora_dropout"]!.GetValue<double>()).Should().Be((4, 8, 0.1));
        (config["use_dora"]!.GetValue<bool>(), config["use_rslora"]!.GetValue<bool>(), config["fan_in_fan_out"]!.GetValue<bool>()).Should()
            .Be((false, false, false));
        config["target_modules"]!.AsArray().Select(module => module!.GetValue<string>()).Should().Equal("first", "second");
        config["rank_pattern"]!.ToJsonString().Should().Be("""{"second":2}""");
        config["alpha_pattern"]!.ToJsonString().Should().Be("""{"second":3}""");
        config["init_lora_weights"]!.GetValue<bool>().Should().BeTrue();
    }

    public static TheoryData<string, Injection, ScalarType> Kinds => new()
    {
        { "lora", Injection.Replace, ScalarType.Float32 },
        { "lora", Injection.Hook, ScalarType.BFloat16 },
        { "rslora", Injection.Replace, ScalarType.Float32 },
        { "patterns", Injection.Replace, ScalarType.Float32 },
        { "dora", Injection.Replace, ScalarType.Float32 },
        { "dora", Injection.Hook, ScalarType.BFloat16 },
    };

    [Theory, MemberData(nameof(Kinds))]
    public void Adapter_comes_back_bit_by_bit(string kind, Injection injection, ScalarType dtype)
    {
        using var model = Seeded(new OpenNetwork(dtype));
        using var optimizer = Make(kind, injection).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 3);
        PeftAdapter.Save(_folder, optimizer.Session);

        using var other = Seeded(new OpenNetwork(dtype));
        using (no_grad())
            foreach (var (name, parameter) in other.named_parameters().Where(pair => !pair.name.Contains("lora")))
                parameter.copy_(model.get_parameter(name)!);
        ILowRankStrategy strategy = kind == "dora"
            ? (PeftAdapter.DoRAOf(_folder) with { Injection = injection })
            : (PeftAdapter.LoRAOf(_folder) with { Injection = injection });
        using var session = (AdapterSession)strategy.Attach(other, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);

        Weights(other).Should().BeEquivalentTo(Weights(model));
        other.eval();
        model.eval();
        Output(other).Should().Equal(Output(model));
        session.Parameters.Where(plan => plan.Parameter.requires_grad).Should()
            .OnlyContain(plan => plan.Name.Contains("lora_"), "PEFT freezes everything else");
    }

    [Fact]
    public void Configuration_of_PEFT_gives_options()
    {
        Directory.CreateDirectory(_folder);
        File.WriteAllText(Config, """
            {
              "alora_invocation_tokens": null, "alpha_pattern": {"k_proj": 64}, "auto_mapping": null, "base_model_name_or_path": "facebook/opt-350m",
              "bias": "none", "corda_config": null,
              "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": "gaussian", "layer_replication": null, "lora_alpha": 32,
              "lora_bias": false, "lora_dropout": 0.05,
              "modules_to_save": null, "peft_type": "LORA", "peft_version": "0.18.0", "r": 16, "rank_pattern": {"layers\\.0\\.q_proj": 4},
              "target_modules": ["q_proj", "v_proj"],
              "target_parameters": null, "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_dora": false, "use_qalora": false, "use_rslora": true
            }
            """);

        var options = PeftAdapter.LoRAOf(_folder);

        (options.Rank, options.Alpha, options.Dropout, options.RankStabilized, options.TrainOthers).Should().Be((16, 32, 0.05, true, false));
        options.RankPattern.Should().BeEquivalentTo(new Dictionary<string, int> { [@"layers\.0\.q_proj"] = 4 });
        options.AlphaPattern.Should().BeEquivalentTo(new Dictionary<string, double> { ["k_proj"] = 64 });
        PeftAdapter.MethodOf(_folder).Should().BeOfType<LoRA>().Which.Rank.Should().Be(16);
        FluentActions.Invoking(() => PeftAdapter.DoRAOf(_folder)).Should().Throw<InvalidDataException>().WithMessage("*PeftAdapter.LoRAOf*");
    }

    [Theory]
    [InlineData("peft_type", "\"IA3\"", "*only LoRA and DoRA*")]
    [InlineData("lora_bias", "true", "*lora_bias is true*")]
    [InlineData("init_lora_weights", "\"pissa_niter_16\"", "*Convert it to a plain one*")]
    [InlineData("r", "\"many\"", "*adapter_config.json*")]
    [InlineData("lora_alpha", "-4e308", "*adapter_config.json*lora_alpha holds -4e308*too large*")]
    [InlineData("alpha_pattern", "{\"first\":1e999}", "*alpha_pattern holds 1e999*too large*")]
    public void Configuration_that_cannot_be_followed_is_refused(string key, string value, string message)
    {
        SaveTrained(Options);
        var config = JsonNode.Parse(File.ReadAllText(Config))!;
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(Config, config.ToJsonString());
        File.Delete(Tensors);

        FluentActions.Invoking(() => PeftAdapter.LoRAOf(_folder)).Should().Throw<InvalidDataException>().WithMessage(message);
    }

    [Theory]
    [InlineData(FactorInit.PiSSA, false)]
    [InlineData(FactorInit.OLoRA, false)]
    [InlineData(FactorInit.PiSSA, true)]
    [InlineData(FactorInit.LoRAGA, false)]
    public void Factors_that_have_left_the_weight_are_saved_as_a_change_of_it(FactorInit init, bool stabilized)
    {
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var original = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = (Options with { Init = init, RankStabilized = stabilized, Dropout = 0, TrainOthers = false }).Attach(model).CreateOptimizer(0.01);
        if (init == FactorInit.LoRAGA)
            ((AdapterSession)optimizer.Session).Initialize(() => model.call(Inputs(model)).square().mean().backward());
        Run(model, optimizer, 3);

        PeftAdapter.Save(_folder, optimizer.Session);

        var options = PeftAdapter.LoRAOf(_folder);
        options.Rank.Should().Be(8);
        using var session = options.Attach(original, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);
        Distance(Output(original), Output(model)).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Factors_that_have_left_another_weight_are_not_saved()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = (Options with { Init = FactorInit.PiSSA }).Attach(model);
        using (no_grad())
            model.get_parameter("second.weight")!.add_(0.01);

        session.Invoking(moved => PeftAdapter.Save(_folder, moved)).Should().Throw<InvalidOperationException>()
            .WithMessage("*second.weight*started from another weight*");
        Directory.Exists(_folder).Should().BeFalse();
        session.Invoking(moved => PeftAdapter.Load(_folder, moved)).Should().Throw<InvalidOperationException>().WithMessage("*FactorInit.Kaiming*");
    }

    [Fact]
    public void Factors_whose_start_is_not_known_any_more_are_neither_saved_nor_replaced()
    {
        using var model = Seeded(new OpenNetwork());
        using var resumed = Seeded(new OpenNetwork());
        using var optimizer = Attach(model);
        Initialize(model, optimizer);
        Run(model, optimizer, 2);
        TrainingCheckpoint.Save(_folder, model, optimizer);
        PeftAdapter.Save(Path.Combine(_folder, "known"), optimizer.Session);

        using (var without = Attach(resumed))
        {
            TrainingCheckpoint.Load(_folder, resumed, without);
            var session = (AdapterSession)without.Session;
            session.Invoking(lost => PeftAdapter.Save(Path.Combine(_folder, "lost"), lost)).Should().Throw<InvalidOperationException>()
                .WithMessage("*first.weight*not in the checkpoint*Initialize*Nothing was written*");
            session.Invoking(lost => PeftAdapter.Load(Path.Combine(_folder, "known"), lost)).Should().Throw<InvalidOperationException>()
                .WithMessage("*FactorInit.Kaiming*");
            Directory.Exists(Path.Combine(_folder, "lost")).Should().BeFalse();
        }

        using var original = Seeded(new OpenNetwork());
        using var with = Attach(original);
        Initialize(original, with);
        TrainingCheckpoint.Load(_folder, original, with);
        PeftAdapter.Save(Path.Combine(_folder, "again"), with.Session);
        File.ReadAllBytes(Path.Combine(_folder, "again", "adapter_model.safetensors")).Should()
            .Equal(File.ReadAllBytes(Path.Combine(_folder, "known", "adapter_model.safetensors")));

        static LowRankOptimizer Attach(OpenNetwork network) => (Options with { Init = FactorInit.LoRAGA, Dropout = 0 }).Attach(network).CreateOptimizer(0.01);

        static void Initialize(OpenNetwork network, LowRankOptimizer optimizer)
        {
            using var scope = NewDisposeScope();
            ((AdapterSession)optimizer.Session).Initialize(() => network.call(Inputs(network)).square().mean().backward());
        }
    }

    [Fact]
    public void Factors_that_were_loaded_are_not_left_out_by_a_model_that_passes_hooks_by()
    {
        using var trained = Seeded(new SealedNetwork());
        using var optimizer = (Options with { Dropout = 0, Injection = Injection.Hook, TrainOthers = false }).Attach(trained).CreateOptimizer(0.01);
        Run(trained, optimizer, 2);
        PeftAdapter.Save(_folder, optimizer.Session);
        using var model = Seeded(new SealedNetwork(passesHooksBy: true));
        using var passedBy = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder)).CreateOptimizer(0.01);
        PeftAdapter.Load(_folder, passedBy.Session);
        var before = Weights(model);

        FluentActions.Invoking(() => Step(model, passedBy)).Should().Throw<InvalidOperationException>()
            .WithMessage("*'first.weight' by forward()*were loaded*");

        Weights(model).Should().BeEquivalentTo(before);
    }

    [Theory]
    [InlineData(FactorInit.PiSSA)]
    [InlineData(FactorInit.OLoRA)]
    public void Change_of_a_weight_is_saved_in_no_more_rows_than_its_short_side(FactorInit init)
    {
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var original = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = (Options with { Rank = 7, Init = init, Dropout = 0, TrainOthers = false }).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 3);

        PeftAdapter.Save(_folder, optimizer.Session);

        using (var file = SafeTensorsFile.Open(Tensors))
            file.Names.Where(name => name.Contains("lora_A")).Select(name => file.ShapeOf(name)[0]).Should().Equal(12, 14);
        using var session = (PeftAdapter.LoRAOf(_folder) with { Strict = true }).Attach(original, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, session);
        Distance(Output(original), Output(model)).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Adapter_of_a_rank_above_the_short_side_is_reduced_to_it()
    {
        using var scope = NewDisposeScope();
        SaveTrained((Options with { Dropout = 0, TrainOthers = false }));
        var (a, b) = (Normal(1, ScalarType.Float32, 15, 12), Normal(2, ScalarType.Float32, 16, 15));
        SafeTensorsFile.Write(Tensors, [("base_model.model.first.lora_A.weight", a), ("base_model.model.first.lora_B.weight", b)]);
        var config = JsonNode.Parse(File.ReadAllText(Config))!;
        config["r"] = 15;
        config["lora_alpha"] = 30;
        File.WriteAllText(Config, config.ToJsonString());
        using var model = Seeded(new OpenNetwork());
        using var session = PeftAdapter.LoRAOf(_folder).Attach(model, PeftAdapter.TargetsOf(_folder));

        PeftAdapter.Load(_folder, session);

        var layer = (LowRankLinear)model.named_children().First().module;
        layer.Rank.Should().Be(12);
        Distance(Values(layer.EffectiveWeight()), Values(layer.weight + b.mm(a).mul(2))).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Layer_whose_name_ends_another_s_keeps_its_rank_and_scale_to_itself()
    {
        using var model = Seeded(new Nested());
        var special = new Dictionary<string, int> { ["blocks.0.proj"] = 4, ["blocks.1.proj"] = 4 };
        using (var session = new LoRA { Rank = 2, Alpha = 6, RankPattern = special }.Attach(model))
            PeftAdapter.Save(_folder, session);

        var config = JsonNode.Parse(File.ReadAllText(Config))!;
        config["r"]!.GetValue<int>().Should().Be(4);
        config["rank_pattern"]!.ToJsonString().Should().Be("""{"blocks.0.proj":4,"blocks.1.proj":4,"proj":2}""");

        using var other = Seeded(new Nested());
        using var loaded = PeftAdapter.LoRAOf(_folder).Attach(other, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, loaded);
        loaded.Layers.ToDictionary(layer => layer.Name, layer => layer.Rank).Should()
            .BeEquivalentTo(new Dictionary<string, long> { ["proj.weight"] = 2, ["blocks.0.proj.weight"] = 4, ["blocks.1.proj.weight"] = 4 });
    }

    [Fact]
    public void Factors_that_have_left_a_quantized_weight_are_not_saved()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4, Base = BaseFormat.NF4, Init = FactorInit.PiSSA }.Attach(model);

        session.Invoking(quantized => PeftAdapter.Save(_folder, quantized)).Should().Throw<NotSupportedException>()
            .WithMessage("*first.weight*quantized*Finish()*");
        Directory.Exists(_folder).Should().BeFalse();
    }

    [Fact]
    public void Adapter_for_something_else_is_refused_in_one_message_and_nothing_changes()
    {
        SaveTrained(Options);
        using var model = Seeded(new OpenNetwork());
        var sessions = new (LoRA Options, Targets? Targets, string Message)[]
        {
            (Options with { Rank = 2, Alpha = 4 }, null, "*'base_model.model.first.lora_A.weight' is [4, 12], and the session's is [2, 12]*"),
            (Options with { Alpha = 16 }, null, "*it scales 'first' by 2, and the session by 4*"),
            (Options, Targets.Matching("second"), "*it has 'base_model.model.first.lora_A.weight', and the session has no such factor*"),
            (Options, Targets.AllLinear(), "*'base_model.model.lm_head.lora_A.weight' is missing*"),
        };

        foreach (var (options, targets, message) in sessions)
        {
            using var session = options.Attach(model, targets);
            var before = Weights(model);
            session.Invoking(wrong => PeftAdapter.Load(_folder, wrong)).Should().Throw<InvalidDataException>().WithMessage(message)
                .WithMessage("*Nothing was changed*");
            Weights(model).Should().BeEquivalentTo(before);
            session.Finish();
        }
    }

    [Fact]
    public void Damaged_tensors_are_refused_and_nothing_changes()
    {
        SaveTrained(Options);
        using var model = Seeded(new OpenNetwork());
        using var session = Options.Attach(model);
        var before = Weights(model);
        var sound = File.ReadAllBytes(Tensors);

        File.WriteAllBytes(Tensors, sound[..^1]);
        session.Invoking(waiting => PeftAdapter.Load(_folder, waiting)).Should().Throw<InvalidDataException>().WithMessage("*not a sound safetensors file*");
        File.WriteAllBytes(Tensors, [.. sound[..^4], .. BitConverter.GetBytes(float.NaN)]);
        session.Invoking(waiting => PeftAdapter.Load(_folder, waiting)).Should().Throw<InvalidDataException>().WithMessage("*second.lora_B*checksum differs*");
        RewriteWithoutManifest();
        session.Invoking(waiting => PeftAdapter.Load(_folder, waiting)).Should().Throw<InvalidDataException>().WithMessage("*NaN or infinity*second.lora_B*");
        File.Delete(Tensors);
        session.Invoking(waiting => PeftAdapter.Load(_folder, waiting)).Should().Throw<FileNotFoundException>();
        File.Delete(Config);
        session.Invoking(waiting => PeftAdapter.Load(_folder, waiting)).Should().Throw<FileNotFoundException>().WithMessage("*There is no adapter*");

        Weights(model).Should().BeEquivalentTo(before);
    }

    /// <summary>Spoils the last tensor, in a file such as PEFT itself writes.</summary>
    private void RewriteWithoutManifest()
    {
        using var scope = NewDisposeScope();
        (string Name, Tensor Tensor)[] tensors;
        using (var file = SafeTensorsFile.Open(Tensors))
            tensors = [.. file.Names.Select(name => (name, name.Contains("second.lora_B") ? full([.. file.ShapeOf(name)], float.NaN) : file.Read(name)))];
        SafeTensorsFile.Write(Tensors, tensors, new Dictionary<string, string> { ["format"] = "pt" });
    }

    [Fact]
    public void Method_without_an_adapter_of_its_own_says_so()
    {
        using var model = new OpenNetwork();
        using var session = new ReLoRA { Rank = 4 }.Attach(model);

        session.Invoking(merging => PeftAdapter.Save(_folder, merging)).Should().Throw<NotSupportedException>().WithMessage("relora merges its factors*");
    }

    [Fact]
    public void Merged_session_is_saved_as_it_was_before()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Options.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 2);
        var session = (AdapterSession)optimizer.Session;
        PeftAdapter.Save(_folder, session);
        var before = File.ReadAllBytes(Tensors);

        session.Merge();
        PeftAdapter.Save(_folder, session);

        File.ReadAllBytes(Tensors).Should().Equal(before);
        session.Invoking(merged => PeftAdapter.Load(_folder, merged)).Should().Throw<InvalidOperationException>().WithMessage("*Unmerge()*");
    }

    public void Dispose()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    private static LoRA Options => new() { Rank = 4, Alpha = 8, Dropout = 0.1 };

    private static ILowRankStrategy Make(string kind, Injection injection) => kind switch
    {
        "rslora" => (Options with { RankStabilized = true, Injection = injection, Alpha = 3 }),
        "patterns" =>
            (Options
                with { RankPattern = new Dictionary<string, int> { ["first"] = 7 }, AlphaPattern = new Dictionary<string, double> { ["first"] = 0.3 },
                    Injection = injection }),
        "dora" => new DoRA { Rank = 3, Alpha = 1, Injection = injection },
        _ => (Options with { Injection = injection }),
    };

    /// <summary>Blocks whose layers have the name of one beside the blocks.</summary>
    private sealed class Nested : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> proj = nn.Linear(12, 12);
        private readonly ModuleList<Block> blocks = nn.ModuleList(new Block(), new Block());

        public Nested() : base(nameof(Nested)) => RegisterComponents();

        public override Tensor forward(Tensor input) => blocks.Aggregate(proj.call(input), (hidden, block) => block.call(hidden));
    }

    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> proj = nn.Linear(12, 12);

        public Block() : base(nameof(Block)) => RegisterComponents();

        public override Tensor forward(Tensor input) => proj.call(input);
    }

    private void SaveTrained(LoRA strategy)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = strategy.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 2);
        PeftAdapter.Save(_folder, optimizer.Session);
    }
}
