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

        PeftAdapter.Save(_folder.Path, (AdapterSession)optimizer.Session);

        new PeftLoader(_folder.Path, plain).Problems().Should().BeEmpty();
        using var again = Seeded(new Blocks());
        using var session = PeftAdapter.MethodOf(_folder.Path).Attach(again, PeftAdapter.TargetsOf(_folder.Path));
        PeftAdapter.Load(_folder.Path, session);
        Distance(Output(again), Output(model)).Should().BeLessThan(1e-5);
    }

    public void Dispose() => _folder.Dispose();

    private static string Parent(string name) => name[..name.LastIndexOf('.')];

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
