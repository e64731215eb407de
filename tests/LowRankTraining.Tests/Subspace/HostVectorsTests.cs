using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>What is done row by row in the processor's own memory, against the same by operations on tensors of float64.</summary>
public class HostVectorsTests
{
    [Theory]
    [InlineData(7, 5)]
    [InlineData(40, 67)]
    [InlineData(700, 900)]
    public void Picked_columns_are_read_and_added_to(int rows, int width)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(rows, width, 1);
        var columns = arange(0, width, 2, ScalarType.Int64).flip(0).contiguous();
        var parts = Draw.Normal(rows, columns.shape[0], 2);

        Draw.Error(PickedColumns.Of(Single(matrix), columns), matrix.index_select(1, columns)).Should().BeLessThan(1e-7);

        var sum = Single(matrix);
        PickedColumns.Add(sum, columns, Single(parts), -0.25);
        Draw.Error(sum, matrix.index_add(1, columns, parts, -0.25)).Should().BeLessThan(1e-6);
    }

    [Theory]
    [InlineData(5, 1)]
    [InlineData(1, 35)]
    [InlineData(1, 1)]
    public void Vectors_are_scaled_each_by_its_factor(int ofRows, int ofColumns)
    {
        using var scope = NewDisposeScope();
        var (target, source, factors) = (Draw.Normal(5, 35, 1), Draw.Normal(5, 35, 2), Draw.Normal(ofRows, ofColumns, 3));
        var sum = Single(target);

        ScaledVectors.Add(sum, Single(source), Single(factors), 0.5).Should().BeSameAs(sum);

        Draw.Error(sum, target + 0.5 * source * factors).Should().BeLessThan(1e-6);
    }

    [Fact]
    public void Factors_of_a_residual_are_those_of_float64()
    {
        using var scope = NewDisposeScope();
        var (step, inside, whole) = (Draw.Normal(33, 1, 1).square(), Draw.Normal(33, 1, 2).square(), Draw.Normal(33, 1, 3).square());
        var (narrow, wide) = (Single(step), step.clone());

        var norm = ResidualFactors.Find(narrow, Single(inside), Single(whole), 0.75, scale: 1);
        var exact = ResidualFactors.Find(wide, inside, whole, 0.75, scale: 1);

        Draw.Error(narrow, wide).Should().BeLessThan(1e-6);
        Draw.Error(norm, exact).Should().BeLessThan(1e-6);
        Draw.Error(exact, (whole - (1 - 0.0625) * inside).clamp_min(0).mul(step / (inside + 1e-16)).sum().sqrt()).Should().BeLessThan(1e-9);
    }

    [Fact]
    public void Factors_of_a_residual_are_finished_with_scale_and_limit()
    {
        using var scope = NewDisposeScope();
        var (squares, limit) = (Draw.Normal(33, 1, 1).square(), tensor(0.25, ScalarType.Float64));
        var (narrow, wide, unlimited) = (Single(squares), squares.clone(), Single(squares));

        ResidualFactors.Finish(narrow, 0.75, Single(limit));
        ResidualFactors.Finish(wide, 0.75, limit);
        ResidualFactors.Finish(unlimited, 1, null);

        Draw.Error(wide, squares.sqrt() * 0.75 * 0.25).Should().BeLessThan(1e-15);
        Draw.Error(narrow, wide).Should().BeLessThan(1e-6);
        Draw.Error(unlimited, squares.sqrt()).Should().BeLessThan(1e-6);
    }

    private static Tensor Single(Tensor tensor) => tensor.to(ScalarType.Float32);
}
