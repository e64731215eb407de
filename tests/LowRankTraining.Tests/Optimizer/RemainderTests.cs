using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using LowRankTraining.Tests.Gradients;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Weights in half precision whose rounding is kept.</summary>
public sealed class RemainderTests : IDisposable
{
    private const int Steps = 12, Rank = 4;

    private static readonly long[] Rows = [12];

    private readonly TemporaryDirectory _folder = new();

    [Theory]
    [InlineData(ScalarType.BFloat16, 16)]
    [InlineData(ScalarType.Float16, 19)]
    public void Step_is_that_of_a_float32_weight(ScalarType dtype, int bits)
    {
        using var scope = NewDisposeScope();
        var start = Normal(1, dtype, 40, 24);
        using Parameter half = new(start.clone()), single = new(start.to(ScalarType.Float32));
        using var optimizer = Plain().Attach([("weight", half)]).CreateOptimizer(lr: 0.013, weight_decay: 0.1);
        using var exact = (Plain() with { KeepsRemainders = false }).Attach([("weight", single)]).CreateOptimizer(lr: 0.013, weight_decay: 0.1);
        half.grad = Normal(2, dtype, 40, 24);
        single.grad = Normal(2, dtype, 40, 24).to(ScalarType.Float32);

        optimizer.step();
        exact.step();

        var (expected, actual) = (single.to(ScalarType.Float64), Joined(optimizer, half).to(ScalarType.Float64));
        ((actual - expected).abs() / expected.abs()).max().ToDouble().Should().BeLessThanOrEqualTo(Math.ScaleB(1, -bits));
    }

    [Fact]
    public void Steps_far_below_the_last_place_add_up()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(ones(4, 2, ScalarType.BFloat16));
        using var optimizer = Plain().Attach([("weight", weight)]).CreateOptimizer(lr: 1e-4);

        for (var step = 0; step < 200; step++)
        {
            weight.grad = ones(4, 2, ScalarType.BFloat16);
            optimizer.step();
        }

        // Adam steps by the learning rate where gradients are all alike; the last place of 1 is 2⁻⁸ below, and rounding to nearest would never leave it.
        Values(weight).Should().AllSatisfy(value => value.Should().BeApproximately(1 - 200 * 1e-4, 1.0 / 512));
        Values(Joined(optimizer, weight)).Should().AllSatisfy(value => value.Should().BeApproximately(1 - 200 * 1e-4, 200 * Math.ScaleB(1, -17)));
    }

    [Theory]
    [InlineData(GradientFlow.Whole)]
    [InlineData(GradientFlow.Projected)]
    [InlineData(GradientFlow.Stepped)]
    public void Run_is_near_to_the_one_in_float32_in_every_flow(GradientFlow flow)
    {
        using var scope = NewDisposeScope();
        using TappedModel half = new(ScalarType.BFloat16), rounded = new(ScalarType.BFloat16), single = new();
        using var optimizer = Projecting().Attach(half, gradients: flow).CreateOptimizer(0.003);
        using var stochastic = (Projecting() with { KeepsRemainders = false }).Attach(rounded, gradients: flow).CreateOptimizer(0.003);
        using var exact = (Projecting() with { KeepsRemainders = false }).Attach(single, gradients: flow).CreateOptimizer(0.003);
        Copy(half, single);

        for (var step = 0; step < Steps; step++)
            foreach (var (model, own) in new[] { (half, optimizer), (rounded, stochastic), (single, exact) })
                Train(model, own, step);

        Distance(half, single).Should().BeLessThan(Distance(rounded, single));
        half.parameters().Should().AllSatisfy(parameter => optimizer.StateOf(parameter).Tensors.Should().ContainKey("weight_remainder"));
        optimizer.StateBytes.Should().Be(MemoryPlan.For(optimizer.Session).StateBytes);
    }

    [Theory]
    [InlineData(GradientFlow.Whole)]
    [InlineData(GradientFlow.Projected)]
    [InlineData(GradientFlow.Stepped)]
    public void Saved_run_goes_on_bit_for_bit(GradientFlow flow)
    {
        using var scope = NewDisposeScope();
        using TappedModel whole = new(ScalarType.BFloat16), resumed = new(ScalarType.BFloat16);
        using var optimizer = Projecting().Attach(whole, gradients: flow).CreateOptimizer(0.003);
        using var other = Projecting().Attach(resumed, gradients: flow).CreateOptimizer(0.003);
        for (var step = 0; step < Steps; step++)
            Train(whole, optimizer, step);
        TrainingCheckpoint.Save(_folder.Path, whole, optimizer);
        TrainingCheckpoint.Load(_folder.Path, resumed, other);

        for (var step = Steps; step < 2 * Steps; step++)
        {
            Train(whole, optimizer, step);
            Train(resumed, other, step);
        }

        Weights(resumed).Should().BeEquivalentTo(Weights(whole));
        foreach (var (here, there) in whole.parameters().Zip(resumed.parameters()))
            Values(Joined(other, there)).Should().Equal(Values(Joined(optimizer, here)));
    }

    [Fact]
    public void Nothing_is_drawn()
    {
        using TappedModel one = new(ScalarType.BFloat16), other = new(ScalarType.BFloat16);
        using var first = (Plain() with { Seed = 1 }).Attach(one).CreateOptimizer(0.003);
        using var second = (Plain() with { Seed = 2 }).Attach(other).CreateOptimizer(0.003);

        for (var step = 0; step < Steps; step++)
        {
            Train(one, first, step);
            Train(other, second, step);
        }

        Weights(other).Should().BeEquivalentTo(Weights(one));
    }

    [Fact]
    public void Processes_stay_equal()
    {
        TappedModel[] models = [new(ScalarType.BFloat16), new(ScalarType.BFloat16)];
        var joined = new Dictionary<string, double[]>[2];

        InProcessWorld.Run(2, world =>
        {
            var model = models[world.Rank];
            using var optimizer = Projecting().Attach(model, gradients: GradientFlow.Projected).CreateOptimizer(0.003, world);
            optimizer.CompareEvery = 1;
            for (var step = 0; step < Steps; step++)
                Train(model, optimizer, 2 * step + world.Rank);

            // State that the processes have divided among them is in one of them.
            joined[world.Rank] = model.named_parameters().Where(pair => optimizer.StateOf(pair.parameter).Tensors.ContainsKey("weight_remainder"))
                .ToDictionary(pair => pair.name, pair => Values(Joined(optimizer, pair.parameter)));
        });

        Weights(models[1]).Should().BeEquivalentTo(Weights(models[0]));
        joined[0].Keys.Union(joined[1].Keys).Should().BeEquivalentTo(models[0].named_parameters().Select(pair => pair.name));
        joined[0].Keys.Intersect(joined[1].Keys).Should().AllSatisfy(name => joined[1][name].Should().Equal(joined[0][name]));
        Array.ForEach(models, model => model.Dispose());
    }

    [Fact]
    public void Weight_that_does_not_lie_row_by_row_is_kept_too()
    {
        using var scope = NewDisposeScope();
        var start = Normal(1, ScalarType.BFloat16, 24, 40);
        using Parameter packed = new(start.t().contiguous()), turned = new(start.t());
        using var optimizer = Plain().Attach([("packed", packed), ("turned", turned)]).CreateOptimizer(lr: 0.01);

        for (ulong step = 1; step <= Steps; step++)
        {
            packed.grad = Normal(step, ScalarType.BFloat16, 40, 24);
            turned.grad = Normal(step, ScalarType.BFloat16, 40, 24);
            optimizer.step();
        }

        turned.is_contiguous().Should().BeFalse();
        Values(turned).Should().Equal(Values(packed));
        Values(Joined(optimizer, turned)).Should().Equal(Values(Joined(optimizer, packed)));
    }

    [Fact]
    public void Remainders_are_left_out_where_nobody_keeps_them()
    {
        using TappedModel saved = new(ScalarType.BFloat16), model = new(ScalarType.BFloat16);
        using var from = Projecting().Attach(saved).CreateOptimizer(0.003);
        Train(saved, from, 0);
        TrainingCheckpoint.Save(_folder.Path, saved, from);
        using var to = (Projecting() with { KeepsRemainders = false }).Attach(model).CreateOptimizer(0.003);

        TrainingCheckpoint.Load(_folder.Path, model, to);

        to.StateBytes.Should().Be(from.StateBytes - model.parameters().Sum(parameter => parameter.numel()));
    }

    [Fact]
    public void Gradient_that_is_refused_leaves_weight_and_remainder()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(Normal(1, ScalarType.BFloat16, 40, 24));
        using var optimizer = Plain().Attach([("weight", weight)]).CreateOptimizer(lr: 0.01, weight_decay: 0.1);
        weight.grad = Normal(2, ScalarType.BFloat16, 40, 24);
        optimizer.step();
        var before = Values(Joined(optimizer, weight));

        weight.grad = full([40, 24], double.NaN, ScalarType.BFloat16);
        optimizer.step();

        Values(Joined(optimizer, weight)).Should().Equal(before);
        optimizer.NonFiniteGradients.Should().Be(1);
    }

    [Fact]
    public void Option_without_effect_is_refused() => FluentActions.Invoking(() => Projecting().Attach(new TappedModel()))
        .Should().Throw<ArgumentException>().WithMessage("KeepsRemainders has no effect: no parameter is bfloat16 or float16.*");

    public void Dispose() => _folder.Dispose();

    private static Recipe Plain() => Recipe.Of("adam", new AdamRule()) with { KeepsRemainders = true };

    private static GaLore Projecting() => new() { Rank = Rank, RefreshEvery = 5, KeepsRemainders = true };

    private static Tensor Joined(LowRankOptimizer optimizer, Parameter weight)
    {
        using var guard = no_grad();
        var joined = empty(weight.shape, ScalarType.Float32);
        RoundingRemainder.Join(weight.contiguous(), optimizer.StateOf(weight)["weight_remainder"], joined);
        return joined;
    }

    private static void Train(TappedModel model, LowRankOptimizer optimizer, int step)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        model.Loss(step, Rows).backward();
        optimizer.step();
    }

    private static void Copy(nn.Module from, nn.Module to)
    {
        using var guard = no_grad();
        foreach (var (source, target) in from.parameters().Zip(to.parameters()))
            target.copy_(source);
    }

    private static double Distance(nn.Module model, nn.Module exact) => Math.Sqrt(model.parameters().Zip(exact.parameters())
        .Sum(pair => Values(pair.First).Zip(Values(pair.Second), (here, there) => (here - there) * (here - there)).Sum()));
}
