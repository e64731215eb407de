using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class FrugalTests
{
    [Fact]
    public void Blocks_take_turns_evenly_whatever_stands_between_them()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("a", nn.Linear(8, 8)), ("b", nn.Linear(8, 8)), ("c", nn.Linear(8, 8)), ("d", nn.Linear(8, 8)));
        using var optimizer = new Frugal { ByBlocks = true, Density = 0.5, RefreshEvery = 2 }.Attach(model).CreateOptimizer(lr: 0.01);
        var weights = model.named_parameters().Where(pair => pair.name.EndsWith("weight", StringComparison.Ordinal)).Select(pair => pair.parameter).ToArray();

        for (var step = 1; step <= 6; step++)
        {
            foreach (var (_, parameter) in model.named_parameters())
                parameter.grad = Draw.Normal(parameter.shape, (ulong)step).to(ScalarType.Float32);
            optimizer.step();

            weights.Count(weight => optimizer.StateOf(weight).TryGet("exp_avg", out _)).Should().Be(2);
        }
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Broken_entry_outside_the_chosen_coordinates_changes_nothing(double broken)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(8, 12));
        using var optimizer = new Frugal { Density = 0.25 }.Attach([("weight", weight)]).CreateOptimizer(lr: 0.01);
        weight.grad = Draw.Normal(8, 12, 1).to(ScalarType.Float32);
        optimizer.step();
        var (before, outside) =
            (weight.detach().clone(), Enumerable.Range(0, 8).First(row => !optimizer.StateOf(weight)["basis"].data<long>().ToArray().Contains(row)));

        var gradient = Draw.Normal(8, 12, 2).to(ScalarType.Float32);
        gradient[outside, 3] = tensor((float)broken);
        weight.grad = gradient;
        optimizer.step();

        weight.detach().eq(before).all().ToBoolean().Should().BeTrue();
        optimizer.NonFiniteGradients.Should().Be(1);
    }
}
