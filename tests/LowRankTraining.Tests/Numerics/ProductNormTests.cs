using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class ProductNormTests
{
    [Theory]
    [InlineData(5, 40, 30)]
    [InlineData(500, 40, 30)]
    [InlineData(60, 300, 7)]
    [InlineData(1, 9, 1)]
    public void Norm_is_that_of_the_product(int count, int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var (delta, input) = (Draw.Normal(count, rows, 1), Draw.Normal(count, columns, 2));
        var expected = delta.t().mm(input).norm();

        Draw.Error(ProductNorm.Of(delta, input), expected).Should().BeLessThan(1e-14);
        Draw.Error(ProductNorm.Of(delta.to(ScalarType.Float32), input.to(ScalarType.Float32)), expected).Should().BeLessThan(1e-6);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(60)]
    public void Rows_that_cancel_each_other_leave_what_is_left(int pairs)
    {
        using var scope = NewDisposeScope();
        var (delta, input) = (Draw.Normal(pairs, 50, 1), Draw.Normal(pairs, 40, 2));
        var rest = 1e-3 * Draw.Normal(1, 40, 3);
        var (outputs, inputs) = (cat([delta, delta.neg(), Draw.Normal(1, 50, 4)]), cat([input, input, rest]));

        Draw.Error(ProductNorm.Of(outputs, inputs), outputs.t().mm(inputs).norm()).Should().BeLessThan(1e-6);
    }

    [Fact]
    public void Norm_of_zeros_is_zero_and_that_of_broken_numbers_is_broken()
    {
        using var scope = NewDisposeScope();

        ProductNorm.Of(zeros(3, 50), ones(3, 40)).ToSingle().Should().Be(0);
        ProductNorm.Of(full(3, 50, float.NaN), ones(3, 40)).ToSingle().Should().Be(float.NaN);
    }
}
