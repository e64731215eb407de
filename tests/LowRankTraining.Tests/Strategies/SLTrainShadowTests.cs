using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Parts in the model and parts with the optimizer are the same method.</summary>
public class SLTrainShadowTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Shadow_trains_as_a_replaced_layer_does(bool fromWeight)
    {
        using var replaced = Seeded(new OpenNetwork(ScalarType.Float64));
        using var shadowed = Seeded(new OpenNetwork(ScalarType.Float64));
        using var first = Method(fromWeight, Injection.Replace).Attach(replaced).CreateOptimizer(0.01);
        using var second = Method(fromWeight, Injection.Shadow).Attach(shadowed).CreateOptimizer(0.01);

        for (var step = 0; step < 12; step++)
            Step(shadowed, second).Should().BeApproximately(Step(replaced, first), 1e-9, $"step {step}");

        Distance(Output(shadowed), Output(replaced)).Should().BeLessThan(1e-8);
    }

    [Fact]
    public void Weight_is_that_of_the_parts_from_the_start_and_so_is_the_state()
    {
        using var model = Seeded(new OpenNetwork());
        var session = Method(fromWeight: true, Injection.Shadow).Attach(model);
        var attached = Output(model);
        using var optimizer = session.CreateOptimizer(lr: 0);

        optimizer.StateOf(model.get_parameter("second.weight")!)["parts"].numel().Should().Be(4 * 32 + 38);
        Step(model, optimizer);

        Distance(Output(model), attached).Should().BeLessThan(1e-6);
        session.Describe().Should().MatchRegex(@"second\.weight: Shadow.*made from the weight, \d+\.\d % of whose norm is lost");
    }

    [Fact]
    public void Second_optimizer_for_parts_that_the_first_one_has_is_refused()
    {
        using var model = Seeded(new OpenNetwork());
        var session = Method(fromWeight: true, Injection.Shadow).Attach(model);
        using var optimizer = session.CreateOptimizer();

        session.Invoking(used => used.CreateOptimizer()).Should().Throw<InvalidOperationException>()
            .WithMessage("*has had an optimizer before*Go on with that one*");
    }

    private static SLTrain Method(bool fromWeight, Injection injection) =>
        new() { Rank = 4, Alpha = 8, Density = 0.15, StartsFromWeight = fromWeight, Injection = injection };
}
