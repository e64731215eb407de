using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>Methods that need the whole gradient: each process has the state of some parameters, and takes their steps for all.</summary>
public class DividedWorkTests
{
    private const int Layers = 8, Width = 12, Rows = 16, Lanes = 8, Steps = 6;

    private static readonly Dictionary<string, UpdateMethod> Methods = new()
    {
        ["fira"] = new Fira { Rank = 3, RefreshEvery = 2 },
        ["apollo"] = new Apollo { Rank = 3, RefreshEvery = 2 },
        ["ldadam"] = new LDAdam { Rank = 3 },
        ["subtrack"] = new SubTrack { Rank = 3, RefreshEvery = 2 },
        ["frugal"] = new Frugal { RefreshEvery = 2 },
        ["flora"] = new Flora { Rank = 3 },
        ["spam"] = new Spam(),
        ["muon"] = new Muon(),
    };

    public static TheoryData<string> All => [.. Methods.Keys];

    [Theory, MemberData(nameof(All))]
    public void Weights_have_the_bits_of_one_process(string method)
    {
        var expected = Train(method, ranks: 1);

        Train(method, ranks: 2).Should().Equal(expected);
        Train(method, ranks: 4).Should().Equal(expected);
    }

    [Theory]
    [InlineData("fira")]
    [InlineData("ldadam")]
    public void Eight_processes_have_the_bits_of_one(string method) => Train(method, ranks: 8).Should().Equal(Train(method, ranks: 1));

    [Theory, MemberData(nameof(All))]
    public void Run_of_four_goes_on_with_two_and_one_bit_for_bit(string method)
    {
        using var folder = new TemporaryDirectory();
        var expected = Train(method, ranks: 4, saveTo: folder.Path);

        Train(method, ranks: 2, loadFrom: folder.Path).Should().Equal(expected);
        Train(method, ranks: 1, loadFrom: folder.Path).Should().Equal(expected);
    }

    [Theory]
    [InlineData("fira", 2)]
    [InlineData("fira", 4)]
    [InlineData("muon", 4)]
    public void State_and_refreshes_are_divided_by_the_number_of_processes(string method, int ranks)
    {
        var whole = 0L;
        Train(method, ranks: 1, watch: (_, optimizer) => whole = optimizer.StateBytes);

        Train(method, ranks, watch: (world, optimizer) =>
        {
            optimizer.StateBytes.Should().Be(whole / ranks);
            MemoryPlan.For(optimizer.Session).StateBytes.Should().Be(whole);
            MemoryPlan.For(optimizer.Session).PerProcess(ranks).StateBytes.Should().Be(whole / ranks);
            optimizer.Describe().Should().Contain($"state and step in process {world.Rank} of {ranks}");
            optimizer.Refreshes.Should().Be(method == "fira" ? Layers * Steps / 2 : 0);
        });
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Step_sends_gradients_to_their_owners_and_weights_from_them(int ranks) => Train("fira", ranks, watch: (world, optimizer) =>
    {
        // Each as many bytes as one half of an all-reduce; a message of what each has, the squared norms and three counts.
        const int numbers = Layers * Width * Width;
        var others = ranks - 1;
        var step = 2 * others * numbers * sizeof(float) / ranks + others * (41 + Layers)
            + 2 * others * (TreeSum.PaddedLength(Layers, ranks) + TreeSum.PaddedLength(3, ranks)) * sizeof(long) / ranks;
        var before = optimizer.BytesSent;
        optimizer.CompareEvery = 0;

        Step(world, optimizer, (Sequential)optimizer.Session.Model!, step: Steps + 1);

        (optimizer.BytesSent - before).Should().Be(step);
    });

    [Fact]
    public void Gradient_that_is_not_finite_is_counted_everywhere() => Train("fira", ranks: 2, watch: (world, optimizer) =>
    {
        var model = (Sequential)optimizer.Session.Model!;
        for (var lane = 0; lane < Lanes / world.Size; lane++)
        {
            Backward(world, model, step: 1, lane);
            if (world.Rank == 1 && lane == 0)
                model.parameters().First().grad!.fill_(double.NaN);
            optimizer.accumulate();
        }

        optimizer.step();

        optimizer.NonFiniteGradients.Should().Be(1);
    });

    [Fact]
    public void What_does_not_come_out_even_is_done_by_all()
    {
        var models = new[] { Model(layers: 1), Model(layers: 1) };
        InProcessWorld.Run(2, world =>
        {
            using var optimizer = Methods["fira"].Attach(models[world.Rank]).CreateOptimizer(lr: 0.01, world);
            optimizer.Describe().Should().NotContain("in process");
            MemoryPlan.For(optimizer.Session).PerProcess(2).StateBytes.Should().Be(MemoryPlan.For(optimizer.Session).StateBytes);
        });
    }

    [Fact]
    public void Divided_state_is_not_taken_for_all_of_it() => Train("fira", ranks: 2, watch: (_, optimizer) =>
    {
        using var model = Model(Layers);
        using var alone = Methods["fira"].Attach(model).CreateOptimizer(lr: 0.01);

        var load = () => alone.load_state_dict(optimizer.state_dict());

        load.Should().Throw<InvalidDataException>().WithMessage("The state is divided among processes*save a checkpoint*");
    });

    private static float[] Train(
        string method, int ranks, string? saveTo = null, string? loadFrom = null, Action<ICollective, LowRankOptimizer>? watch = null)
    {
        var models = Enumerable.Range(0, ranks).Select(_ => Model(Layers)).ToArray();
        InProcessWorld.Run(ranks, world =>
        {
            var model = models[world.Rank];
            using var optimizer = Methods[method].Attach(model).CreateOptimizer(lr: 0.01, world);
            optimizer.CompareEvery = 1;
            var completed = loadFrom is null ? 0 : (int)TrainingCheckpoint.Load(loadFrom, model, optimizer);
            for (var step = completed + 1; step <= Steps; step++)
            {
                Step(world, optimizer, model, step);
                if (step == Steps / 2 && saveTo is not null)
                    TrainingCheckpoint.Save(saveTo, model, optimizer);
            }

            watch?.Invoke(world, optimizer);
        }, Lanes);
        return [.. models[0].parameters().SelectMany(parameter => parameter.data<float>().ToArray())];
    }

    private static void Step(ICollective world, LowRankOptimizer optimizer, Sequential model, int step)
    {
        optimizer.zero_grad();
        for (var lane = 0; lane < Lanes / world.Size; lane++)
        {
            Backward(world, model, step, lane);
            optimizer.accumulate();
        }

        optimizer.clip_grad_norm_(0.1);
        optimizer.step();
    }

    private static void Backward(ICollective world, Sequential model, int step, int lane)
    {
        using var scope = NewDisposeScope();
        var lanes = Lanes / world.Size;
        var input = Draw.Normal(Rows, Width, (ulong)step).to(ScalarType.Float32).narrow(0, (world.Rank * lanes + lane) * Rows / Lanes, Rows / Lanes);
        ((model.call(input) - input.sin()).square().mean() / lanes).backward();
    }

    private static Sequential Model(int layers)
    {
        manual_seed(1);
        return nn.Sequential(Enumerable.Range(0, layers)
            .Select(layer => ($"layer{layer}", (nn.Module<Tensor, Tensor>)nn.Linear(Width, Width, hasBias: false))).ToArray());
    }
}
