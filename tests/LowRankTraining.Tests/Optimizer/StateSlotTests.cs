using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>What a rule keeps is listed, once.</summary>
public class StateSlotTests
{
    [Fact]
    public void Two_parts_that_keep_something_of_one_name_are_refused_at_Attach()
    {
        var guarded = new GuardedRule(new AdamRule(), new SpikeGuard());

        var twice = () => Attach(new GuardedRule(guarded, new StabilityGuard()));
        var inside = () => Attach(new SubspaceRule { Rank = 2, Inner = guarded, Guard = new StabilityGuard() });

        twice.Should().Throw<ArgumentException>().WithMessage("Two parts of the rule of 'layer.weight' keep 'guard_step'*give one of them another name*");
        inside.Should().Throw<ArgumentException>().WithMessage("Two parts of the rule of 'layer.weight' keep 'guard_step'*");
    }

    [Theory]
    [InlineData("tensor")]
    [InlineData("counter")]
    public void Part_that_has_not_listed_what_it_keeps_is_told_so(string kept)
    {
        using var optimizer = new LowRankOptimizer(Attach(new Unlisted(kept), out var weight));
        var before = weight.clone();
        weight.grad = Draw.Normal(6, 4, 1).to(ScalarType.Float32);

        var step = () => optimizer.step();

        step.Should().Throw<InvalidOperationException>().WithMessage("The rule of 'layer.weight' keeps 'secret' and has not listed it: name it in SlotsFor*");
        optimizer.StateBytes.Should().Be(0);
        Draw.Error(weight, before.to(ScalarType.Float64)).Should().Be(0);
    }

    [Fact]
    public void Bag_of_ones_own_takes_anything()
    {
        using var state = new StateBag();

        state.Advance("updates");
        state.Scalar("norm", CPU);

        state.Counters.Keys.Should().Equal("updates");
        state.Tensors.Keys.Should().Equal("norm");
    }

    [Fact]
    public void Transpose_of_a_stored_matrix_is_made_once_and_goes_with_it()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var first = Draw.Normal(5, 3, 1);
        state.Set("basis", first);
        var view = state.TransposeOf("basis", first)!;

        Draw.Error(view, first.t()).Should().Be(0);
        state.TransposeOf("basis", first).Should().BeSameAs(view);
        state.TransposeOf("basis", first.clone()).Should().BeNull("it is not what lies here");

        var second = Draw.Normal(5, 3, 2);
        state.Set("basis", second);
        view.IsInvalid.Should().BeTrue();
        Draw.Error(state.TransposeOf("basis", second)!, second.t()).Should().Be(0);
        state.Remove("basis");
        state.TransposeOf("basis", second).Should().BeNull();
    }

    [Fact]
    public void Second_Adam_of_a_parameter_has_names_and_a_clock_of_its_own()
    {
        var rule = new WeightNormRule { Direction = new AdamRule { MomentumSchedule = new() { TotalSteps = 5 } } };

        rule.SlotsFor([6, 4]).Select(slot => slot.Name).Should().BeEquivalentTo(
            "exp_avg", "exp_avg_sq", "step", "momentum_step", "magnitude_exp_avg", "magnitude_exp_avg_sq", "magnitude_step");
        new AdamRule { Names = AdamNames.After("drift_") }.Moments.Should().OnlyContain(moment => moment.StepCounter == "drift_step");
    }

    [Fact]
    public void Weight_of_an_average_is_read_from_its_own_clock()
    {
        using var state = new StateBag();
        state.SetCounter("step", 1);
        state.SetCounter("ours", 3);

        new MomentSlot("mean", 1, 0.5) { StepCounter = "ours" }.Weight(state).Should().Be(0.875);
    }

    private static ILowRankSession Attach(UpdateRule rule) => Attach(rule, out _);

    private static ILowRankSession Attach(UpdateRule rule, out Parameter weight)
    {
        weight = new Parameter(Draw.Normal(6, 4, 2).to(ScalarType.Float32));
        return Recipe.Of("test.slots", rule).Attach([("layer.weight", weight)]);
    }

    private sealed record Unlisted(string Kept) : UpdateRule
    {
        public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
        {
            if (Kept == "tensor")
                state.ZerosLike("secret", gradient);
            else
                state.Advance("secret");
            accumulator.add_(gradient, scale);
        }
    }
}
