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

/// <summary>What is saved and loaded must not depend on what holds a layer: a parent asks its children in ways of its own.</summary>
public class ContainerTests
{
    private static readonly Dictionary<string, Func<nn.Module<Tensor, Tensor>>> Containers = new()
    {
        ["fields"] = () => new OpenNetwork(),
        ["sequence"] = () => nn.Sequential(Layers()),
        ["named sequence"] = () => nn.Sequential(("first", nn.Linear(12, 16)), ("act", nn.Tanh()), ("lm_head", nn.Linear(16, 6))),
        ["list"] = () => new Chain<ModuleList<nn.Module<Tensor, Tensor>>>(new(Layers()), list => list),
        ["dictionary"] = () => new Chain<ModuleDict<nn.Module<Tensor, Tensor>>>(Dictionary(), dictionary => dictionary.values()),
        ["sequence in a list in a field in a sequence"] = () => nn.Sequential(
            new Chain<ModuleList<nn.Module<Tensor, Tensor>>>(new(nn.Sequential(nn.Linear(12, 16), nn.Tanh()), nn.Linear(16, 16, hasBias: false)), list =>
                list), nn.Linear(16, 6)),
    };

    private static readonly Dictionary<string, Func<ILowRankStrategy>> Methods = new()
    {
        ["q-galore"] = () => new QGaLore { Rank = 4 },
        ["lora"] = () => new LoRA { Rank = 4 },
        ["lora, hook"] = () => new LoRA { Rank = 4, Injection = Injection.Hook },
        ["lora, NF4"] = () => new LoRA { Rank = 4, Base = BaseFormat.NF4 },
        ["relora, NF4, warm start"] = () => new ReLoRA { Rank = 4, MergeEvery = 3, WarmStartSteps = 2, Base = BaseFormat.NF4 },
        ["dora"] = () => new DoRA { Rank = 4 },
        ["sltrain"] = () => new SLTrain { Rank = 4, Density = 0.2 },
        ["factorized"] = () => new LowRankFactorization { Rank = 4 },
        ["cola"] = () => new CoLA { Rank = 4 },
        ["inrank, kept weight"] = () =>
            new InRank { Rank = 4, Buffer = 2, MaxRankRatio = 1, WarmupSteps = 0, CheckEvery = 2, GrowSteps = 6, KeepsWeights = true },
    };

    public static TheoryData<string, string> Grid
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var container in Containers.Keys)
                foreach (var method in Methods.Keys)
                    data.Add(container, method);
            return data;
        }
    }

    public static TheoryData<string> AllContainers => [.. Containers.Keys];

    [Theory, MemberData(nameof(Grid))]
    public void Checkpoint_resumes_bit_for_bit_in_a_fresh_model(string container, string method)
    {
        using var directory = new TemporaryDirectory();
        using var model = Seeded(Containers[container]());
        using var optimizer = Methods[method]().Attach(model).CreateOptimizer(lr: 0.01);
        Run(model, optimizer, 3);
        TrainingCheckpoint.Save(directory.Path, model, optimizer);
        Run(model, optimizer, 4);

        using var fresh = Seeded(Containers[container](), seed: 99);
        using var resumed = Methods[method]().Attach(fresh).CreateOptimizer(lr: 0.01);
        TrainingCheckpoint.Load(directory.Path, fresh, resumed);
        Run(fresh, resumed, 4);

        Output(fresh).Should().Equal(Output(model));
    }

    [Theory, MemberData(nameof(Grid))]
    public void TorchSharp_s_own_file_brings_the_attached_model_back(string container, string method)
    {
        using var model = Seeded(Containers[container]());
        using var optimizer = Methods[method]().Attach(model).CreateOptimizer(lr: 0.01);
        Run(model, optimizer, 1);
        using var fresh = Seeded(Containers[container](), seed: 99);
        using var session = Methods[method]().Attach(fresh);
        using var stream = new MemoryStream();

        model.save(stream);
        fresh.load(new MemoryStream(stream.ToArray()));

        Output(fresh).Should().Equal(Output(model));
    }

    [Theory, MemberData(nameof(Grid))]
    public void Finished_model_is_a_file_for_those_who_know_nothing_of_the_method(string container, string method)
    {
        using var model = Seeded(Containers[container]());
        using var optimizer = Methods[method]().Attach(model).CreateOptimizer(lr: 0.01);
        Run(model, optimizer, 3);
        optimizer.Session.Finish();
        using var plain = Seeded(Containers[container](), seed: 99);
        using var stream = new MemoryStream();
        model.save(stream);

        // Its layers have an activation inside, which no plain layer has.
        if (method == "cola")
        {
            model.state_dict().Keys.Should().Contain(name => name.EndsWith("factor_U", StringComparison.Ordinal));
            return;
        }

        plain.load(new MemoryStream(stream.ToArray()));
        Output(plain).Should().Equal(Output(model));
    }

    [Theory, MemberData(nameof(AllContainers))]
    public void Every_container_takes_8_bit_weights_and_shows_the_same_of_them(string container)
    {
        using var model = Seeded(Containers[container]());
        using var session = new QGaLore { Rank = 4 }.Attach(model);

        var layers = model.named_modules().Where(pair => pair.module is Int8Linear).Select(pair => pair.name).ToArray();
        var saved = model.state_dict();

        layers.Should().NotBeEmpty();
        foreach (var layer in layers)
        {
            saved[$"{layer}.weight_codes"].dtype.Should().Be(ScalarType.Byte);
            saved[$"{layer}.weight"].NumberOfElements.Should().Be(0);
            model.named_parameters().Select(pair => pair.name).Should().Contain($"{layer}.weight");
        }
    }

    private static nn.Module<Tensor, Tensor>[] Layers() => [nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 16, hasBias: false), nn.Linear(16, 6)];

    private static ModuleDict<nn.Module<Tensor, Tensor>> Dictionary()
    {
        var dictionary = nn.ModuleDict<nn.Module<Tensor, Tensor>>();
        foreach (var (layer, index) in Layers().Select((layer, index) => (layer, index)))
            dictionary.Add($"layer{index}", layer);
        return dictionary;
    }

    /// <summary>Runs what a container of TorchSharp's holds, one after the other.</summary>
    private sealed class Chain<TContainer> : nn.Module<Tensor, Tensor> where TContainer : nn.Module
    {
        private readonly TContainer layers;
        private readonly Func<TContainer, IEnumerable<nn.Module<Tensor, Tensor>>> _inOrder;

        public Chain(TContainer container, Func<TContainer, IEnumerable<nn.Module<Tensor, Tensor>>> inOrder) : base(nameof(Chain<>))
        {
            (layers, _inOrder) = (container, inOrder);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return _inOrder(layers).Aggregate(input, (x, layer) => layer.call(x)).MoveToOuterDisposeScope();
        }
    }
}
