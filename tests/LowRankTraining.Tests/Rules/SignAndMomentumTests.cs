using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class LionRuleTests
{
    [Fact]
    public void Updates_follow_algorithm_2()
    {
        using var scope = NewDisposeScope();
        var rule = new LionRule { Beta1 = 0.7, Beta2 = 0.9 };
        using var state = new StateBag();
        var weight = zeros(2, 3, ScalarType.Float64);
        double[] m = new double[6], expected = new double[6];

        for (var t = 1; t <= 12; t++)
        {
            var gradient = Recomputed.Gradient(t, 2, 3);
            var g = Recomputed.Entries(gradient);
            Recomputed.Update(rule, gradient, weight, -0.01, state, new StepContext { Step = t });

            for (var k = 0; k < 6; k++)
            {
                expected[k] -= 0.01 * Math.Sign(0.7 * m[k] + 0.3 * g[k]);
                m[k] = 0.9 * m[k] + 0.1 * g[k];
            }
        }

        Recomputed.Entries(weight).Should().Equal(expected, (a, b) => Math.Abs(a - b) < 1e-12);
        Recomputed.Entries(state["exp_avg"]).Should().Equal(m, (a, b) => Math.Abs(a - b) < 1e-12);
    }
}

public class SgdRuleTests
{
    [Theory]
    [InlineData(0, false)]
    [InlineData(0.8, false)]
    [InlineData(0.8, true)]
    public void Updates_equal_those_of_TorchSharp(double momentum, bool nesterov)
    {
        using var scope = NewDisposeScope();
        var rule = new SgdRule { Momentum = momentum, Nesterov = nesterov };
        using var state = new StateBag();
        var weight = zeros(2, 3, ScalarType.Float64);
        using var theirs = new TorchSharp.Modules.Parameter(zeros(2, 3, ScalarType.Float64));
        using var reference = optim.SGD([theirs], 0.05, momentum: momentum, nesterov: nesterov);

        for (var t = 1; t <= 12; t++)
        {
            var gradient = Recomputed.Gradient(t, 2, 3);
            Recomputed.Update(rule, gradient, weight, -0.05, state, new StepContext { Step = t });
            theirs.grad = gradient.clone();
            reference.step();
        }

        Recomputed.Entries(weight).Should().Equal(Recomputed.Entries(theirs), (a, b) => Math.Abs(a - b) < 1e-12);
        state.Tensors.Should().HaveCount(momentum > 0 ? 1 : 0);
    }
}
