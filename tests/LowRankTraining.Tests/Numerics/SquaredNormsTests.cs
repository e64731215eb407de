using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class SquaredNormsTests
{
    [Theory]
    [InlineData(1, 5)]
    [InlineData(64, 7)]
    [InlineData(65, 7)]
    [InlineData(200, 33)]
    [InlineData(33, 200)]
    public void Norms_are_the_sums_of_squares(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var matrix = randn(rows, columns, generator: generator);
        var exact = matrix.to(ScalarType.Float64).square();

        foreach (var axis in new[] { 0, 1 })
        {
            var ours = SquaredNorms.Along(matrix, axis);
            ours.shape.Should().Equal(axis == 0 ? [1, columns] : [rows, 1]);
            ours.to(ScalarType.Float64).allclose(exact.sum((long)axis, keepdim: true), 1e-5, 0).Should().BeTrue();
        }
    }

    [Fact]
    public void Columns_of_a_transposed_matrix_are_found_too()
    {
        using var scope = NewDisposeScope();
        var matrix = linspace(0, 1, 70 * 90).reshape(90, 70).t();

        SquaredNorms.Along(matrix, 0).allclose(matrix.square().sum(0L, keepdim: true), 1e-5, 0).Should().BeTrue();
    }
}
