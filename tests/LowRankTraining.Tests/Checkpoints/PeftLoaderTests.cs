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

/// <summary>Every tensor of an adapter has its place in the model that PEFT makes of its configuration, and every place its tensor.</summary>
public sealed class PeftLoaderTests : IDisposable
{
    private readonly TemporaryDirectory _folder = new();

    public static TheoryData<string> Kinds => ["lora", "hooked", "shadowed", "rslora", "dora", "patterns", "pissa", "others", "one norm"];

    [Theory, MemberData(nameof(Kinds))]
    public void Tensors_and_places_are_the_same(string kind)
    {
        using var model = Seeded(new Blocks());
        (string, string, long[])[] plain =
            [.. model.named_parameters().Select(pair => (Parent(pair.name), pair.name[(pair.name.LastIndexOf('.') + 1)..], pair.parameter.shape))];
        ILowRankStrategy method = kind switch
        {
            "hooked" => new LoRA { Rank = 4, Injection = Injection.Hook },
            "shadowed" => new LoRA { Rank = 4, Injection = Injection.Shadow },
            "rslora" => new LoRA { Rank = 4, RankStabilized = true },
            "dora" => new DoRA { Rank = 4 },
            "patterns" => new LoRA { Rank = 4, RankPattern = new Dictionary<string, int> { [@"blocks\.1\..*"] = 2, ["proj"] = 3 } },
            "pissa" => new LoRA { Rank = 4, Init = FactorInit.PiSSA },
            "others" => new LoRA { Rank = 4, TrainOthers = true },
            _ => new LoRA { Rank = 4 },
        };
        using var optimizer = method.Attach(model).CreateOptimizer(0.01);
        if (kind == "one norm")
            model.get_parameter("norm.weight")!.requires_grad = true;
        Run(model, optimizer, 2);

        PeftAdapter.Save(_folder.Path, optimizer.Session);

        new PeftLoader(_folder.Path, plain).Problems().Should().BeEmpty();
        using var again = Seeded(new Blocks());
        using var session = PeftAdapter.MethodOf(_folder.Path).Attach(again, PeftAdapter.TargetsOf(_folder.Path));
        PeftAdapter.Load(_folder.Path, session);
        Distance(Output(again), Output(model)).Should().BeLessThan(1e-5);
    }

    /// <summary>A batch norm has averages beside its parameters; a gate stands in a block whose layers are adapted; the end of one layer's name is that of
    /// another, which is trained whole.</summary>
    [Theory]
    [InlineData("norm,join", "norm", "join.head"), InlineData("gate"), InlineData("proj", ""), InlineData("norm.weight", "norm")]
    public void What_is_trained_beside_is_found_by_PEFT_whole_modules_and_single_parameters(string trained, params string[] saved)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new Mixed());
        var plain = model.state_dict().Select(pair => (Parent(pair.Key), pair.Key[(pair.Key.LastIndexOf('.') + 1)..], pair.Value.shape)).ToArray();
        var session = new LoRA { Rank = 2 }.Attach(model, Targets.Matching("c_proj"));
        using var optimizer = session.CreateOptimizer(0.01);
        foreach (var (name, parameter) in model.named_parameters())
            if (trained.Split(',').Any(part => $".{name}".Contains($".{part}")))
                parameter.requires_grad = true;
        for (var step = 0; step < 3; step++)
        {
            optimizer.zero_grad();
            model.call(Normal((ulong)step, ScalarType.Float32, 7, 12)).square().mean().backward();
            optimizer.step();
        }

        PeftAdapter.Save(_folder.Path, session);

        new PeftLoader(_folder.Path, plain).Problems().Should().BeEmpty();
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.Path, "adapter_config.json")))!;
        (config["modules_to_save"]?.AsArray().Select(name => name!.GetValue<string>()) ?? []).Should().Equal(saved.Where(name => name.Length > 0));
        using var again = Seeded(new Mixed());
        using var loaded = PeftAdapter.MethodOf(_folder.Path).Attach(again, PeftAdapter.TargetsOf(_folder.Path));
        PeftAdapter.Load(_folder.Path, loaded);
        model.eval();
        again.eval();
        var input = Normal(9, ScalarType.Float32, 7, 12);
        if (!trained.StartsWith("norm", StringComparison.Ordinal))
            foreach (var (from, to) in new[] { (model.get_buffer("norm.running_mean"), again.get_buffer("norm.running_mean")),
                (model.get_buffer("norm.running_var"), again.get_buffer("norm.running_var")) })
                to!.copy_(from!);
        Distance(Values(again.call(input)), Values(model.call(input))).Should().BeLessThan(1e-5);
    }

    /// <summary>PEFT puts two convolutions beside a convolution, the first with its window.</summary>
    [Fact]
    public void Factors_of_convolutions_have_the_shapes_of_convolutions()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("image", nn.Conv2d(3, 8, (3, 2))), ("flat", nn.Flatten(2)), ("line", nn.Conv1d(8, 4, 5)));
        var before = model.get_parameter("image.weight")!.clone();
        using var session = new LoRA { Rank = 2, Alpha = 6 }.Attach(model, Targets.AllMatrices());
        using var optimizer = session.CreateOptimizer(0.01);
        for (var step = 0; step < 2; step++)
        {
            optimizer.zero_grad();
            model.call(Normal((ulong)step, ScalarType.Float32, 2, 3, 6, 6)).square().mean().backward();
            optimizer.step();
        }

        PeftAdapter.Save(_folder.Path, session);

        using var file = SafeTensorsFile.Open(Path.Combine(_folder.Path, "adapter_model.safetensors"));
        file.Names.ToDictionary(name => name["base_model.model.".Length..], name => string.Join(" ", file.ShapeOf(name))).Should().Equal(
            new Dictionary<string, string>
            {
                ["image.lora_A.weight"] = "2 3 3 2", ["image.lora_B.weight"] = "8 2 1 1", ["line.lora_A.weight"] = "2 8 5", ["line.lora_B.weight"] = "4 2 1",
            });

        // ΔW as PEFT merges it: a convolution of A's window by B.
        var (a, b) = (file.Read("base_model.model.image.lora_A.weight"), file.Read("base_model.model.image.lora_B.weight"));
        var change = nn.functional.conv2d(a.transpose(0, 1), b).transpose(0, 1) * (6.0 / 2);
        (model.get_parameter("image.weight")! - before - change).abs().max().ToDouble().Should().BeLessThan(1e-6);
    }

    /// <summary>What a convolution, or a layer that is shadowed, trains lives with the optimizer, and the weight holds it.</summary>
    [Theory]
    [InlineData(ScalarType.Float32, 1e-6), InlineData(ScalarType.BFloat16, 0.02)]
    public void Factors_that_live_with_the_optimizer_are_loaded_into_it_and_into_the_weights_and_trained_on(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        nn.Module<Tensor, Tensor> Model() => Seeded(nn.Sequential(("image", nn.Conv2d(3, 8, (3, 2), dtype: dtype)), ("flat", nn.Flatten(2)),
            ("line", nn.Conv1d(8, 4, 5, dtype: dtype)), ("last", nn.Linear(16, 6, dtype: dtype))));
        using var model = Model();
        using var again = Model();
        var method = new LoRA { Rank = 2, Alpha = 6, Injection = Injection.Shadow };
        using var optimizer = method.Attach(model, Targets.AllMatrices()).CreateOptimizer(0.01);
        using var other =
            (PeftAdapter.LoRAOf(Saved(3)) with { Injection = Injection.Shadow }).Attach(again, PeftAdapter.TargetsOf(_folder.Path)).CreateOptimizer(0.01);

        for (var load = 0; load < 2; load++)
            PeftAdapter.Load(_folder.Path, other.Session);

        AreClose();
        PeftAdapter.Load(Saved(1), other.Session);
        AreClose();
        Train(again, other, 2);
        PeftAdapter.Save(_folder.Path, other.Session);
        PeftAdapter.Load(_folder.Path, optimizer.Session);
        AreClose();

        string Saved(int steps)
        {
            Train(model, optimizer, steps);
            PeftAdapter.Save(_folder.Path, optimizer.Session);
            return _folder.Path;
        }

        void Train(nn.Module<Tensor, Tensor> trained, LowRankOptimizer own, int steps)
        {
            for (var step = 0; step < steps; step++)
            {
                own.zero_grad();
                trained.call(Normal((ulong)step, dtype, 2, 3, 6, 6)).square().mean().backward();
                own.step();
            }
        }

        void AreClose()
        {
            foreach (var (name, weight) in model.named_parameters())
                Distance(Values(again.get_parameter(name)!), Values(weight)).Should().BeLessThan(tolerance, name);
        }
    }

    /// <summary>A depthwise convolution, one that goes back, a matrix that a forward pass multiplies with itself, and a table that is the head too.</summary>
    [Theory]
    [InlineData("depthwise"), InlineData("upward"), InlineData("gate"), InlineData("tied")]
    public void What_PEFT_has_no_layer_for_is_refused_by_name(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new Unusual();
        using var session = new LoRA { Rank = 2 }.Attach(model, Targets.Matching(name));
        using var optimizer = session.CreateOptimizer(0.01);

        FluentActions.Invoking(() => PeftAdapter.Save(_folder.Path, session))
            .Should().Throw<NotSupportedException>().WithMessage($"*{name}*PEFT has no adapter for it*Targets.Except*Nothing was changed.");
        Directory.GetFiles(_folder.Path).Should().BeEmpty();
    }

    public void Dispose() => _folder.Dispose();

    private sealed class Unusual : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Conv2d depthwise = nn.Conv2d(4, 4, 3, groups: 4);
        private readonly TorchSharp.Modules.ConvTranspose2d upward = nn.ConvTranspose2d(4, 6, 2);
        private readonly TorchSharp.Modules.Parameter gate = new(randn(6, 8));
        private readonly TorchSharp.Modules.Linear tied = nn.Linear(8, 10, hasBias: false), tied_head = nn.Linear(8, 10);

        public Unusual() : base(nameof(Unusual))
        {
            tied_head.weight = tied.weight;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) =>
            tied_head.call(tied.call(upward.call(depthwise.call(input)).mean([2, 3]).matmul(gate)).matmul(tied.weight!));
    }

    private static string Parent(string name) => name[..name.LastIndexOf('.')];

    /// <summary>Adapted: "block.c_proj".</summary>
    private sealed class Mixed : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> proj, norm;
        private readonly Gated block;
        private readonly Joined join;

        public Mixed() : base(nameof(Mixed))
        {
            proj = nn.Linear(12, 16);
            block = new();
            norm = nn.BatchNorm1d(16);
            join = new();
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => join.call(norm.call(block.call(proj.call(input))));
    }

    private sealed class Gated : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> c_proj;
        private readonly TorchSharp.Modules.Parameter gate = new(ones(16));

        public Gated() : base(nameof(Gated))
        {
            c_proj = nn.Linear(16, 16);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => input + c_proj.call(input).tanh() * gate;
    }

    private sealed class Joined : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> head;

        public Joined() : base(nameof(Joined))
        {
            head = nn.Linear(16, 6);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => head.call(input);
    }

    /// <summary>Names that end each other: "norm" and "in_norm", "proj" and "blocks.0.proj".</summary>
    private sealed class Blocks : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> proj, norm, lm_head;
        private readonly TorchSharp.Modules.ModuleList<Block> blocks;

        public Blocks() : base(nameof(Blocks))
        {
            proj = nn.Linear(12, 16);
            blocks = nn.ModuleList(new Block(), new Block());
            norm = nn.LayerNorm([16]);
            lm_head = nn.Linear(16, 6);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => lm_head.call(norm.call(blocks.Aggregate(proj.call(input), (hidden, block) => block.call(hidden))));
    }

    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> in_norm, proj, other;

        public Block() : base(nameof(Block))
        {
            in_norm = nn.LayerNorm([16]);
            proj = nn.Linear(16, 16);
            other = nn.Linear(16, 16, hasBias: false);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => input + other.call(proj.call(in_norm.call(input)).tanh());
    }
}
