using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>SLTrain that begins with the weights that are there.</summary>
public class SLTrainFromWeightTests
{
    [Fact]
    public void Parts_made_from_a_weight_are_its_best_ones()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        var weight = model.get_parameter("second.weight")!.detach().clone();

        using var session = Strategy().Attach(model);

        var layer = (SparseLowRankLinear)model.named_children().Single(child => child.name == "second").module;
        var (u, sigma, vh) = linalg.svd(weight, fullMatrices: false);
        var truncated = u.narrow(1, 0, 4).mul(sigma.narrow(0, 0, 4)).mm(vh.narrow(0, 0, 4));
        Distance(Values(layer.lora_B.mm(layer.lora_A).mul(layer.Scale)), Values(truncated)).Should().BeLessThan(1e-6);
        layer.lora_B.norm().ToDouble().Should().BeApproximately(layer.lora_A.norm().ToDouble(), 1e-6, "each singular value is shared by both factors");

        // On the support nothing is lost; elsewhere what the truncation loses.
        var lost = (layer.EffectiveWeight() - weight).reshape(-1);
        var support = layer.state_dict()["sparse_indices"].to(ScalarType.Int64);
        lost.index_select(0, support).abs().max().ToDouble().Should().BeLessThan(1e-12);
        (lost.norm() / weight.norm()).ToDouble().Should().BeLessThan(((truncated - weight).norm() / weight.norm()).ToDouble());
        session.Describe().Should().MatchRegex(@"second\.weight: Replace.*made from the weight, \d+\.\d % of whose norm is lost");
    }

    [Theory]
    [InlineData(Injection.Replace)]
    [InlineData(Injection.Shadow)]
    public void Weight_of_low_rank_survives_the_change(Injection injection)
    {
        using var model = Seeded(new OpenNetwork());
        using (no_grad())
        using (NewDisposeScope())
            foreach (var name in new[] { "first.weight", "second.weight" })
            {
                var weight = model.get_parameter(name)!;
                weight.copy_(Normal(1, ScalarType.Float32, weight.shape[0], 3).mm(Normal(2, ScalarType.Float32, 3, weight.shape[1])));
            }
        var before = Output(model);

        using var optimizer = Strategy(injection).Attach(model).CreateOptimizer(lr: 0);
        Step(model, optimizer);

        Distance(Output(model), before).Should().BeLessThan(1e-4);
    }

    [Theory]
    [InlineData(Injection.Replace)]
    [InlineData(Injection.Shadow)]
    public void Broken_weight_is_not_factorized(Injection injection)
    {
        using var model = Seeded(new OpenNetwork());
        using (no_grad())
            model.get_parameter("second.weight")![0, 0] = float.NaN;

        model.Invoking(broken => Strategy(injection).Attach(broken)).Should().Throw<ArgumentException>()
            .WithMessage("*'second.weight' holds NaN*Nothing was changed*");

        model.state_dict().Keys.Should().NotContain(name => name.Contains("lora"));
        model.get_parameter("first.weight")!.numel().Should().Be(192);
    }

    private static SLTrain Strategy(Injection injection = Injection.Auto) =>
        new() { Rank = 4, Alpha = 8, Density = 0.15, StartsFromWeight = true, Injection = injection };
}
