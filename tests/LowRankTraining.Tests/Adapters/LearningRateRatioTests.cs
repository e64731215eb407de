using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class LearningRateRatioTests
{
    private const double Rate = 0.001, Ratio = 16;

    [Theory]
    [InlineData(Injection.Replace)]
    [InlineData(Injection.Hook)]
    public void First_step_of_B_is_the_ratio_times_the_rate(Injection injection)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Strategy(injection).Attach(model).CreateOptimizer(Rate);

        Step(model, optimizer);

        // Adam's first step is the rate for every entry that has a gradient.
        Values(model.get_parameter("second.lora_B")!).Max(Math.Abs).Should().BeApproximately(Ratio * Rate, 1e-6);
    }

    [Fact]
    public void Shadow_follows_replacement()
    {
        using var shadowed = Seeded(new OpenNetwork(ScalarType.Float64));
        using var replaced = Seeded(new OpenNetwork(ScalarType.Float64));
        using var left = Strategy(Injection.Shadow).Attach(shadowed).CreateOptimizer(Rate);
        using var right = Strategy(Injection.Replace).Attach(replaced).CreateOptimizer(Rate);

        Run(shadowed, left, 6);
        Run(replaced, right, 6);

        Distance(Output(shadowed), Output(replaced)).Should().BeLessThan(1e-9);
    }

    private static LoRA Strategy(Injection injection) => new() { Rank = 4, Injection = injection, LearningRateRatio = Ratio };
}
