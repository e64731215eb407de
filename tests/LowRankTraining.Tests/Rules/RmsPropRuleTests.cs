using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class RmsPropRuleTests
{
    [Fact]
    public void Centered_variance_that_short_states_have_lost_stays_positive()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new RmsPropRule { Centered = true, Beta = 0.9, States = StateFormat.Blockwise8Bit };

        // One large entry in each block takes the small ones' squares below the code, but not their means.
        var gradient = full([64, 128], 1e-4f);
        gradient.view(-1, 256).select(1, 0).fill_(100);
        for (var step = 1; step <= 20; step++)
        {
            var (direction, _) = rule.Advance(gradient * (step % 2 == 0 ? 1.0 : 0.9), state, new StepContext { Step = step });

            direction.isfinite().all().ToBoolean().Should().BeTrue();
            direction.abs().max().ToDouble().Should().BeLessThan(1000);
        }
    }

    [Fact]
    public void Steps_that_it_remembers_do_not_count_as_gradients_when_moments_are_carried_over()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new SubspaceRule { Rank = 3, RefreshEvery = 3, OnRefresh = MomentCarryOver.ProjectionAware, Inner = new RmsPropRule { Momentum = 0.9 } };
        var weight = zeros(6, 9, ScalarType.Float64);

        for (var step = 1; step <= 8; step++)
            rule.AddUpdate(Draw.Normal(6, 9, (ulong)step) * 1e-4, weight, -0.1, state, new StepContext { Step = step });

        // Squares of gradients are of the size of 1e-8; those of steps would be of the size of 1.
        state["square_avg"].max().ToDouble().Should().BeLessThan(1e-6);
    }
}
