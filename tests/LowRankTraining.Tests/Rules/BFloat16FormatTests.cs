using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class BFloat16FormatTests
{
    private static readonly MomentSlot Slot = new("exp_avg", 1, 0.9) { Format = StateFormat.BFloat16 };

    /// <summary>bfloat16 has steps of 1/128 between 1 and 2.</summary>
    [Theory]
    [InlineData(1.001)]
    [InlineData(1.004)]
    [InlineData(-1.0071)]
    public void Stored_value_is_right_in_the_mean(double value)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        const int Count = 100_000;
        var exact = (double)(float)value;
        var share = Math.Abs(exact) * 128 % 1;

        Slot.Write(state, full(Count, value, ScalarType.Float32), new StepContext { Step = 1 });

        var mean = Slot.Read(state, zeros(Count)).to(ScalarType.Float64).mean().ToDouble();
        mean.Should().BeApproximately(exact, 3 * Math.Sqrt(share * (1 - share) / Count) / 128);
    }

    [Fact]
    public void Second_moment_falls_although_each_step_is_below_the_resolution()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new AdamRule { States = StateFormat.BFloat16 };
        const int Steps = 400;

        for (var step = 1; step <= Steps; step++)
            rule.Advance(full(2048, step == 1 ? 1 : 1e-6, ScalarType.Float32), state, new StepContext { Step = step });

        var expected = 0.001 * Math.Pow(0.999, Steps - 1);
        state["exp_avg_sq"].to(ScalarType.Float64).mean().ToDouble().Should().BeApproximately(expected, 0.01 * expected);
        tensor(0.001 * 0.999).to(ScalarType.BFloat16).ToDouble().Should()
            .Be(tensor(0.001).to(ScalarType.BFloat16).ToDouble(), "rounding to nearest would not let it fall");
    }

    [Fact]
    public void Rounding_depends_on_seed_parameter_slot_and_step_only()
    {
        using var scope = NewDisposeScope();
        var step = new StepContext { Step = 3, Seed = 5, Parameter = "weight" };

        var first = Rounded(Slot, step);

        Rounded(Slot, step).Should().Equal(first);
        Rounded(Slot, step with { Step = 4 }).Should().NotEqual(first);
        Rounded(Slot, step with { Seed = 6 }).Should().NotEqual(first);
        Rounded(Slot, step with { Parameter = "bias" }).Should().NotEqual(first);
        Rounded(Slot with { Name = "exp_avg_sq" }, step).Should().NotEqual(first);
    }

    [Fact]
    public void State_takes_two_bytes_a_number()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new AdamRule { States = StateFormat.BFloat16 };

        rule.Advance(ones(6, 9), state, new StepContext { Step = 1 });

        state.Bytes.Should().Be(2 * 2 * 6 * 9).And.Be(rule.BytesFor([6, 9]));
    }

    private static double[] Rounded(MomentSlot slot, StepContext step)
    {
        using var state = new StateBag();
        var value = linspace(1, 2, 200, ScalarType.Float32);
        slot.Write(state, value, step);
        return slot.Read(state, value).to(ScalarType.Float64).data<double>().ToArray();
    }
}
