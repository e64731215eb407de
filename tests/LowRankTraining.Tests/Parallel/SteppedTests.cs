using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Gradients;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>Weights that are updated in the backward pass, on several processes: the gradient of each layer is exchanged as soon as it is complete.</summary>
public class SteppedTests
{
    private const int Batch = 12;

    private static readonly Dictionary<string, UpdateMethod> Methods = new()
    {
        ["galore"] = new GaLore { Rank = 4, RefreshEvery = 3 },
        ["galore by its factors alone"] = new GaLore { Rank = 4, RefreshEvery = 3, Basis = new RandomOrthonormalBasis() },
        ["fira"] = new Fira { Rank = 4, RefreshEvery = 3 },
        ["apollo"] = new Apollo { Rank = 4, RefreshEvery = 3 },
        ["ldadam"] = new LDAdam { Rank = 4 },
        ["muon"] = new Muon(),
        ["adam"] = Recipe.Of("plain", new AdamRule()),
    };

    public static TheoryData<string, int, double?> Runs
    {
        get
        {
            var runs = new TheoryData<string, int, double?>();
            foreach (var method in Methods.Keys)
                foreach (var (size, largest) in new (int, double?)[] { (2, null), (3, 0.05) })
                    runs.Add(method, size, largest);
            return runs;
        }
    }

    [Theory, MemberData(nameof(Runs))]
    public void Trajectory_is_that_of_one_process_on_the_whole_batch(string method, int size, double? largest)
    {
        using var scope = NewDisposeScope();
        var expected = Train(method, size: 1, largest);
        var actual = Train(method, size, largest);

        foreach (var (name, weight) in expected.state_dict())
            Draw.Error(actual.state_dict()[name].detach(), weight.detach()).Should().BeLessThan(1e-9, name);
    }

    /// <summary>Three layers are agreed on and added up one by one, and in the step what is left: vectors, half of which, 80 numbers at most, then come from
    /// their owner, with three counts.</summary>
    [Fact]
    public void Gradients_and_weights_are_all_that_is_sent() => Together(2, "galore", (world, model, optimizer) =>
    {
        Step(0);
        var before = optimizer.BytesSent;
        optimizer.CompareEvery = 0;

        Step(1);

        var entries = optimizer.Session.Parameters.Count;
        const long lowRank = 3 * 4 * 40, half = 80, counts = 4;
        var vectors = model.parameters().Where(parameter => parameter.dim() == 1).Sum(parameter => parameter.numel());
        (optimizer.BytesSent - before).Should().Be(4 * (41 + entries) + sizeof(double) * (lowRank + vectors + half + counts));

        void Step(int step)
        {
            optimizer.zero_grad();
            Backward(world, model, step);
            optimizer.step();
        }
    });

    [Fact]
    public void Layers_hold_no_gradient_and_states_are_divided() => Together(2, "fira", (world, model, optimizer) =>
    {
        Backward(world, model, step: 0);

        model.named_parameters().Where(pair => pair.parameter.dim() == 2).Should().OnlyContain(pair => ReferenceEquals(pair.parameter.grad, null));
        optimizer.step();
        var plan = MemoryPlan.For(optimizer.Session);
        optimizer.StateBytes.Should().BeLessThanOrEqualTo(plan.PerProcess(world.Size).StateBytes).And.BeLessThan(plan.StateBytes);
    });

    [Fact]
    public void Processes_at_different_layers_are_told_so_and_go_on_with_the_next_batch() => Together(2, "adam", (world, model, optimizer) =>
    {
        model.get_parameter("twice.weight")!.requires_grad = world.Rank == 0;
        Backward(world, model, step: 0);
        var step = () => optimizer.step();
        step.Should().Throw<InvalidOperationException>()
            .WithMessage("Process 1 is in the backward pass at 'tall.weight' and process 0 in the backward pass at 'twice.weight'*in the same order*");

        model.get_parameter("twice.weight")!.requires_grad = true;
        optimizer.zero_grad();
        Backward(world, model, step: 1);
        optimizer.step();
        optimizer.CompletedSteps.Should().Be(1);
    });

    [Fact]
    public void Process_without_a_backward_pass_is_named() => Together(2, "adam", (world, model, optimizer) =>
    {
        if (world.Rank == 1)
            Backward(world, model, step: 0);
        var step = () => optimizer.step();
        step.Should().Throw<InvalidOperationException>()
            .WithMessage("Process 1 is in the backward pass at 'wide.weight' and process 0 at the end of its step*one backward pass a step*");
    });

    /// <summary>With a share of 0 the numbers of the second process are not looked at.</summary>
    [Fact]
    public void Parts_of_different_size_count_by_their_tokens()
    {
        using var alone = new TappedModel(ScalarType.Float64);
        using var one = Methods["adam"].Attach(alone, gradients: GradientFlow.Stepped).CreateOptimizer(lr: 0.01, weight_decay: 0.1);
        Loss(alone, step: 0, first: 0, rows: Batch / 2).backward();
        one.step();

        Together(2, "adam", (world, model, optimizer) =>
        {
            optimizer.LocalTokens = 1 - world.Rank;
            Backward(world, model, step: 0);
            optimizer.step();

            foreach (var (name, weight) in alone.state_dict())
                Draw.Error(model.state_dict()[name].detach(), weight.detach()).Should().BeLessThan(1e-9, name);
        });
    }

    [Fact]
    public void Several_lanes_on_a_process_are_refused()
    {
        var run = () => InProcessWorld.Run(2, world =>
        {
            using var model = new TappedModel();
            using var optimizer = Methods["fira"].Attach(model, gradients: GradientFlow.Stepped).CreateOptimizer(lr: 0.1, world);
        }, lanes: 4);

        run.Should().Throw<NotSupportedException>().WithMessage("*Stepped takes one backward pass a step, and 4 lanes of 2 processes*take 2 lanes.");
    }

    private static TappedModel Train(string method, int size, double? largest, GradientFlow flow = GradientFlow.Stepped)
    {
        TappedModel? first = null;
        Together(size, method, (world, model, optimizer) =>
        {
            if (flow == GradientFlow.Stepped)
                optimizer.ClipByLastNorm = largest;
            for (var step = 0; step < 12; step++)
            {
                optimizer.zero_grad();
                Backward(world, model, step);
                optimizer.step();
            }

            if (world.Rank == 0)
                first = model;
        }, flow);
        return first!;
    }

    private static void Together(int size, string method, Action<ICollective, TappedModel, LowRankOptimizer> work, GradientFlow flow = GradientFlow.Stepped)
    {
        // Made here: all draw from one generator.
        TappedModel[] models = [.. Enumerable.Range(0, size).Select(_ => new TappedModel(ScalarType.Float64))];
        InProcessWorld.Run(size, world =>
        {
            using var optimizer = Methods[method].Attach(models[world.Rank], gradients: flow).CreateOptimizer(lr: 0.01, world, weight_decay: 0.1);
            optimizer.CompareEvery = 1;
            work(world, models[world.Rank], optimizer);
        });
    }

    private static void Backward(ICollective world, TappedModel model, int step) =>
        Loss(model, step, world.Rank * (Batch / world.Size), Batch / world.Size).backward();

    private static Tensor Loss(TappedModel model, int step, int first, int rows)
    {
        var batch = Draw.Normal(Batch, TappedModel.Width + 16, (ulong)step).narrow(0, first, rows);
        return (model.call(batch.narrow(1, 0, TappedModel.Width).contiguous()) - batch.narrow(1, TappedModel.Width, 16)).square().mean();
    }
}
