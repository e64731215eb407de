using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class DropoutTests
{
    [Fact]
    public void Gradients_are_those_of_the_mask_of_the_forward_pass()
    {
        using var scope = NewDisposeScope();
        var layer = Transparent(width: 40, dropout: 0.25);
        var input = Normal(1, ScalarType.Float64, 50, 40).requires_grad_(true);
        var weights = Normal(2, ScalarType.Float64, 50, 40);

        // Without a weight and with identities for factors the output is the masked input.
        var output = layer.call(input);
        (output * weights).sum().backward();
        var mask = output.detach() / input.detach();

        Values(mask).Should().OnlyContain(value => value == 0 || Math.Abs(value - 1 / 0.75) < 1e-12);
        Values(mask).Count(value => value == 0).Should().BeInRange(400, 600, "a quarter of 2000 entries is dropped");
        Distance(Values(input.grad!), Values(weights * mask)).Should().BeLessThan(1e-12);
        Distance(Values(layer.lora_A.grad!), Values(weights.t().mm(output.detach()))).Should().BeLessThan(1e-12);
        Distance(Values(layer.lora_B.grad!), Values(weights.t().mm(output.detach()))).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Every_pass_has_a_mask_of_its_own()
    {
        using var scope = NewDisposeScope();
        var layer = Transparent(width: 40, dropout: 0.5);
        var input = Normal(1, ScalarType.Float64, 50, 40);

        var (first, second) = (Values(layer.call(input)), Values(layer.call(input)));

        first.Zip(second).Count(pair => (pair.First == 0) != (pair.Second == 0)).Should()
            .BeInRange(850, 1150, "masks that know nothing of each other differ in half of 2000 entries");
    }

    /// <summary>As activation checkpointing does it: forward without gradients, and from behind once more with them.</summary>
    [Fact]
    public void Passes_that_are_run_again_for_the_backward_pass_have_the_masks_that_they_had()
    {
        using var scope = NewDisposeScope();
        var (layer, plain) = (Transparent(width: 40, dropout: 0.5), Transparent(width: 40, dropout: 0.5));
        var input = Normal(1, ScalarType.Float64, 50, 40);
        double[][] expected = [.. Enumerable.Range(0, 4).Select(_ => Values(plain.call(input)))], forward;

        using (no_grad())
            forward = [Values(layer.call(input)), Values(layer.call(input))];
        var (second, first) = (Values(layer.call(input)), Values(layer.call(input)));

        forward.Should().BeEquivalentTo(expected[..2], options => options.WithStrictOrdering());
        (second.SequenceEqual(expected[1]), first.SequenceEqual(expected[0])).Should().Be((true, true));
        Values(layer.call(input)).Should().Equal(expected[2]);
        Values(layer.call(input)).Should().Equal(expected[3]);
    }

    /// <summary>Tied weights, a convolution and a layer whose hook is passed by are shadowed, and see no inputs.</summary>
    [Fact]
    public void Shadowed_layers_say_that_dropout_does_not_act_on_them()
    {
        var logger = new RecordingLogger();
        using var convolution = nn.Sequential(("image", nn.Conv2d(3, 8, 3)));
        using var shadowed = new LoRA { Rank = 2, Dropout = 0.1, Logger = logger }.Attach(convolution, Targets.AllMatrices());

        logger.Lines.Should().ContainSingle(line => line.Contains("Dropout does not act on 1 matrices") && line.Contains("image.weight"));
        shadowed.Parameters.Single(plan => plan.Name == "image.weight").Note.Should().Contain("without Dropout");

        using var passing = Seeded(new SealedNetwork(passesHooksBy: true));
        using var optimizer = new LoRA { Rank = 2, Dropout = 0.1, Logger = logger, TrainOthers = true }.Attach(passing).CreateOptimizer();
        Run(passing, optimizer, 1);

        logger.Lines.Should().Contain(line => line.Contains("Dropout does not act on 2 matrices"));
        ((AdapterSession)optimizer.Session).Describe().Should().Contain("without Dropout");
    }

    [Fact]
    public void Input_without_gradient_is_fine()
    {
        using var scope = NewDisposeScope();
        var layer = Transparent(width: 8, dropout: 0.5);

        layer.call(Normal(1, ScalarType.Float64, 5, 8)).sum().backward();

        layer.lora_A.grad.Should().NotBeNull();
    }

    [Theory]
    [InlineData(Injection.Replace, 2)]
    [InlineData(Injection.Replace, 3)]
    [InlineData(Injection.Hook, 3)]
    public void Resumed_run_draws_the_same_masks(Injection injection, int savedAfter)
    {
        var (expected, model, state) = (Array.Empty<double>(), Array.Empty<byte>(), Array.Empty<byte>());
        using (var network = Seeded(new OpenNetwork()))
        using (var optimizer = Strategy().Attach(network).CreateOptimizer(0.01))
        {
            Accumulated(network, optimizer, savedAfter);
            using var states = new MemoryStream();
            using (var writer = new BinaryWriter(states))
                optimizer.save_state_dict(writer);
            using var weights = new MemoryStream();
            network.save(weights);
            (model, state) = (weights.ToArray(), states.ToArray());

            Accumulated(network, optimizer, 6 - savedAfter);
            network.eval();
            expected = Output(network);
        }

        using var other = Seeded(new OpenNetwork(), seed: 99);
        using var resumed = Strategy().Attach(other).CreateOptimizer(0.5);
        Output(other);
        using (var reader = new BinaryReader(new MemoryStream(state)))
            resumed.load_state_dict(reader);
        other.load(new MemoryStream(model));
        Accumulated(other, resumed, 6 - savedAfter);
        other.eval();

        Output(other).Should().Equal(expected);

        LoRA Strategy() => new() { Rank = 4, Dropout = 0.3, Injection = injection };
    }

    [Fact]
    public void Hook_and_replacement_drop_alike()
    {
        using var open = Seeded(new OpenNetwork());
        using var hooked = Seeded(new OpenNetwork());
        using var left = new LoRA { Rank = 4, Dropout = 0.3, Injection = Injection.Replace }.Attach(open).CreateOptimizer(0.01);
        using var right = new LoRA { Rank = 4, Dropout = 0.3, Injection = Injection.Hook }.Attach(hooked).CreateOptimizer(0.01);

        Run(open, left, 4);
        Run(hooked, right, 4);
        open.eval();
        hooked.eval();

        Distance(Output(open), Output(hooked)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void No_tensor_leaks()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Dropout = 0.3 }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 3);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

        Run(model, optimizer, 100);

        DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.Should().Be(before);
    }

    /// <summary>Two micro-batches a step.</summary>
    private static void Accumulated(OpenNetwork model, LowRankOptimizer optimizer, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            foreach (var part in new[] { 0, 1 })
                model.call(Inputs(model, 10 * optimizer.CompletedSteps + part)).square().mean().backward();
            optimizer.step();
        }
    }

    private static LowRankLinear Transparent(int width, double dropout)
    {
        using var guard = no_grad();
        var layer = new LowRankLinear(nn.Linear(width, width, hasBias: false, dtype: ScalarType.Float64), width, dropout: dropout);
        layer.weight.zero_();
        layer.lora_A.copy_(eye(width, dtype: ScalarType.Float64));
        layer.lora_B.copy_(eye(width, dtype: ScalarType.Float64));
        return layer;
    }
}
