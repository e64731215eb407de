using FluentAssertions;
using LowRankTraining.Numerics;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Weights and gradients in any layout.</summary>
public class LayoutTests
{
    public static TheoryData<string, ScalarType> Cases
    {
        get
        {
            var data = new TheoryData<string, ScalarType>();
            foreach (var layout in new[] { "transposed", "strided", "gradient alone" })
                foreach (var dtype in new[] { ScalarType.BFloat16, ScalarType.Float16, ScalarType.Float32, ScalarType.Float64 })
                    data.Add(layout, dtype);
            return data;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Layout_does_not_change_a_bit(string layout, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var values = Draw.Normal(12, 20, 1).to(dtype);
        using Parameter plain = new(values.clone()), other = new(layout == "gradient alone" ? values.clone() : In(layout, values));
        using LowRankOptimizer a = Make(plain), b = Make(other);

        for (var step = 0; step < 6; step++)
        {
            var gradient = Draw.Normal(12, 20, (ulong)(10 + step)).to(dtype);
            (plain.grad, other.grad) = (gradient.clone(), In("transposed", gradient));
            a.step();
            b.step();
        }

        other.is_contiguous().Should().Be(layout == "gradient alone");
        other.detach().eq(plain.detach()).all().ToBoolean().Should().BeTrue();
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public void Channels_last_convolution_is_trained_as_any_other(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var values = Draw.Normal([8, 3, 3, 3], 2).to(dtype);
        using Parameter plain = new(values.clone()), other = new(ChannelsLast(values));
        using LowRankOptimizer a = Make(plain), b = Make(other);

        for (var step = 0; step < 6; step++)
        {
            var gradient = Draw.Normal([8, 3, 3, 3], (ulong)(10 + step)).to(dtype);
            (plain.grad, other.grad) = (gradient.clone(), ChannelsLast(gradient));
            a.step();
            b.step();
        }

        other.is_contiguous().Should().BeFalse();
        other.detach().eq(plain.detach()).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Rounding_fills_a_target_of_any_layout_with_the_same_numbers()
    {
        using var scope = NewDisposeScope();
        var source = Draw.Normal(7, 5, 3).to(ScalarType.Float32);
        using Generator one = new(4, CPU), same = new(4, CPU);
        Tensor plain = empty(7, 5, ScalarType.BFloat16), transposed = empty(5, 7, ScalarType.BFloat16).t();

        StochasticRounding.Copy(source, plain, one);
        StochasticRounding.Copy(source, transposed, same);

        transposed.eq(plain).all().ToBoolean().Should().BeTrue();
    }

    private static LowRankOptimizer Make(Parameter parameter) =>
        new GaLore { Rank = 4, RefreshEvery = 3 }.Attach([("weight", parameter)]).CreateOptimizer(lr: 0.01, weight_decay: 0.1);

    private static Tensor In(string layout, Tensor values) => layout == "transposed"
        ? values.t().contiguous().t()
        : stack([values, values], 2).select(2, 0);

    private static Tensor ChannelsLast(Tensor values) => values.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
}
