using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class ShadowTests
{
    [Theory]
    [InlineData(OptimizerReset.Zero, 0)]
    [InlineData(OptimizerReset.MagnitudePruning, 0)]
    [InlineData(OptimizerReset.Zero, 2)]
    public void Shadow_follows_replacement_to_rounding(OptimizerReset reset, long warmStart)
    {
        using var shadowed = Seeded(new OpenNetwork(ScalarType.Float64));
        using var replaced = Seeded(new OpenNetwork(ScalarType.Float64));
        using var left = Strategy(Injection.Shadow).Attach(shadowed).CreateOptimizer(0.01);
        using var right = Strategy(Injection.Replace).Attach(replaced).CreateOptimizer(0.01);

        for (var step = 0; step < 11; step++)
        {
            Step(shadowed, left).Should().BeApproximately(Step(replaced, right), 1e-6);
            Distance(Output(shadowed), Output(replaced)).Should().BeLessThan(1e-6, "after step {0}", step + 1);
        }

        var factors = 4 * (12 + 16 + 16 + 16) * sizeof(double);
        left.StateBytes.Should().Be(right.StateBytes + factors, "the factors themselves are optimizer state there");

        ReLoRA Strategy(Injection injection) =>
            new ReLoRA { Rank = 4, Alpha = 8, MergeEvery = 4, Reset = reset, PruneRatio = reset == OptimizerReset.Zero ? 0.99 : 0.5,
                WarmStartSteps = warmStart, Injection = injection };
    }

    [Fact]
    public void Model_keeps_its_names_and_its_function_at_a_restart()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = InjectionTests.ReLoRA(Injection.Shadow).Attach(model).CreateOptimizer(0.01);

        model.state_dict().Keys.Should().NotContain(name => name.Contains("lora"));
        Run(model, optimizer, 3);
        var merged = Output(model);
        optimizer.Session.Finish();

        Output(model).Should().Equal(merged);
    }

    [Fact]
    public void Change_of_the_weight_has_the_rank_of_the_factors()
    {
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = InjectionTests.LoRA(Injection.Shadow).Attach(model).CreateOptimizer(0.01);
        var before = Values(model.get_parameter("second.weight")!);

        Run(model, optimizer, 20);

        using var scope = NewDisposeScope();
        var change = tensor(Values(model.get_parameter("second.weight")!).Zip(before, (now, then) => now - then).ToArray()).reshape(16, 16);
        var values = Values(linalg.svdvals(change));
        values[3].Should().BeGreaterThan(1e-4);
        values[4].Should().BeLessThan(1e-10);
    }
}
