using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>What processes that train together must have alike, and what is said where they do not.</summary>
public class WorldTests
{
    [Fact]
    public void Weights_that_differ_are_named_when_the_optimizer_is_made() => Refused(2, (world, model) =>
    {
        if (world.Rank == 1)
            using (no_grad())
                model.state_dict()["second.bias"].add_(1);
        using var optimizer = Make(world, model);
    }).WithMessage("'second.bias' is not the same on process 1 as on process 0 when the optimizer was made*torch.manual_seed*");

    [Fact]
    public void Frozen_weights_are_compared_too() => Refused(2, (world, model) =>
    {
        model.state_dict()["first.weight"].requires_grad_(false).add_(world.Rank);
        using var optimizer = Make(world, model);
    }).WithMessage("'first.weight' is not the same*");

    [Fact]
    public void Options_that_differ_are_named() => Refused(3, (world, model) =>
    {
        using var optimizer = new GaLore { Rank = 2, Scale = world.Rank == 2 ? 0.5 : 0.25 }.Attach(model).CreateOptimizer(lr: 0.1, world);
    }).WithMessage("Process 2 is not set up like process 0: it has 'Scale 0.5' where process 0 has 'Scale 0.25'.*");

    [Fact]
    public void Learning_rates_that_differ_are_named() => Refused(2, (world, model) =>
    {
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer(lr: 0.1 + world.Rank, world);
    }).WithMessage("*lr 1.1*where process 0 has*lr 0.1*");

    [Fact]
    public void Models_that_differ_are_named() => Refused(2, (world, _) =>
    {
        using var other = nn.Sequential(("first", nn.Linear(4, 6 + world.Rank)));
        using var optimizer = Make(world, other);
    }).WithMessage("*'first.weight: Float32 [7, 4]*where process 0 has 'first.weight: Float32 [6, 4]*");

    [Fact]
    public void Dtypes_that_differ_are_named() => Refused(2, (world, model) =>
    {
        if (world.Rank == 1)
            model.bfloat16();
        using var optimizer = Make(world, model);
    }).WithMessage("Process 1 is not set up like process 0: it has 'first.weight: BFloat16 *where process 0 has 'first.weight: Float32 *");

    [Fact]
    public void Parts_of_different_size_count_by_their_tokens() => InProcessWorld.Run(2, world =>
    {
        // Three rows of four here, one there: the mean over all is (3 a + b) / 4.
        var model = _models[world.Rank];
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer(lr: 0.1, world);
        foreach (var parameter in model.parameters())
            parameter.grad = full_like(parameter, world.Rank == 0 ? 1 : 5);
        optimizer.LocalTokens = world.Rank == 0 ? 3 : 1;

        optimizer.clip_grad_norm_(double.PositiveInfinity);

        model.state_dict()["first.bias"].grad!.eq(2).all().ToBoolean().Should().BeTrue();
    });

    [Fact]
    public void Replica_that_comes_to_differ_stops_the_run() => Refused(2, (world, model) =>
    {
        using var optimizer = Make(world, model);
        optimizer.CompareEvery = 2;
        Train(world, model, optimizer, steps: 2);
        if (world.Rank == 1)
            using (no_grad())
                model.state_dict()["first.bias"][0].mul_(1.0001);
        Train(world, model, optimizer, steps: 2);
    }).WithMessage("'first.bias' is not the same on process 1 as on process 0 after step 4*");

    [Fact]
    public void Process_that_missed_a_step_is_named() => Refused(2, (world, model) =>
    {
        using var optimizer = Make(world, model);
        if (world.Rank == 1)
            optimizer.load_state_dict(After(steps: 1).state_dict());
        Train(world, model, optimizer, steps: 1);
    }).WithMessage("Process 1 is before step 2 and process 0 before step 1*");

    [Fact]
    public void No_tokens_at_all_are_refused() => Refused(2, (world, model) =>
    {
        using var optimizer = Make(world, model);
        optimizer.LocalTokens = 0;
        Train(world, model, optimizer, steps: 1);
    }).WithMessage("LocalTokens is 0 on every process*");

    [Fact]
    public void Window_of_another_length_than_the_lanes_is_refused() => Refused(2, (world, model) =>
    {
        using var optimizer = Make(world, model);
        Train(world, model, optimizer, steps: 1);
    }, lanes: 8).WithMessage("1 micro-batches were accumulated for this step, and 8 lanes of 2 processes take 4*");

    [Fact]
    public void Accumulation_after_clipping_is_refused() => Refused(2, (world, model) =>
    {
        using var optimizer = Make(world, model);
        Backward(world, model, step: 1);
        optimizer.clip_grad_norm_(1);
        optimizer.accumulate();
    }).WithMessage("The gradients of this step are those of all processes already*");

    [Fact]
    public void Saving_within_a_window_is_refused() => Refused(2, (world, model) =>
    {
        using var optimizer = Make(world, model);
        Train(world, model, optimizer, steps: 1);
        Backward(world, model, step: 2);
        optimizer.accumulate();
        TrainingCheckpoint.Save("nowhere", model, optimizer);
    }).WithMessage("What has been accumulated for the next step is of this process alone*Nothing was saved.");

    [Fact]
    public void Gradient_that_is_not_finite_on_one_process_is_refused_by_all() => InProcessWorld.Run(2, world =>
    {
        var model = _models[world.Rank];
        using var optimizer = Make(world, model);
        Train(world, model, optimizer, steps: 2);
        var before = Weights(model);
        Backward(world, model, step: 3);
        if (world.Rank == 1)
            foreach (var parameter in model.parameters())
                parameter.grad!.fill_(double.NaN);
        optimizer.step();

        optimizer.NonFiniteGradients.Should().Be(4);
        Weights(model).Should().Equal(before);
    });

    [Fact]
    public void Only_the_first_process_writes_a_checkpoint() => InProcessWorld.Run(2, world =>
    {
        using var folder = new TemporaryDirectory();
        var model = _models[world.Rank];
        using var optimizer = Make(world, model);
        TrainingCheckpoint.Save(folder.Path, model, optimizer);
        TrainingCheckpoint.Exists(folder.Path).Should().Be(world.Rank == 0);
    });

    private readonly Sequential[] _models = [.. Enumerable.Range(0, 3).Select(_ => Model())];

    private FluentAssertions.Specialized.ExceptionAssertions<InvalidOperationException> Refused(int size, Action<ICollective, Sequential> work,
        int? lanes = null) =>
        FluentActions.Invoking(() => InProcessWorld.Run(size, world => work(world, _models[world.Rank]), lanes)).Should().Throw<InvalidOperationException>();

    private static LowRankOptimizer Make(ICollective world, nn.Module model) => new GaLore { Rank = 2 }.Attach(model).CreateOptimizer(lr: 0.1, world);

    private static LowRankOptimizer After(int steps)
    {
        var optimizer = new GaLore { Rank = 2 }.Attach(Model()).CreateOptimizer(lr: 0.1);
        for (var step = 0; step < steps; step++)
            optimizer.step();
        return optimizer;
    }

    private static void Train(ICollective world, Sequential model, LowRankOptimizer optimizer, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            optimizer.zero_grad();
            Backward(world, model, (int)optimizer.CompletedSteps);
            optimizer.step();
        }
    }

    private static void Backward(ICollective world, Sequential model, int step)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)(10 * step + world.Rank), CPU);
        model.call(randn(8, 4, generator: generator)).square().mean().backward();
    }

    private static float[] Weights(nn.Module model) => [.. model.parameters().SelectMany(parameter => parameter.data<float>().ToArray())];

    private static Sequential Model()
    {
        manual_seed(1);
        return nn.Sequential(("first", nn.Linear(4, 6)), ("active", nn.Tanh()), ("second", nn.Linear(6, 3)));
    }
}
