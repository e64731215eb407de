using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class OrthonormalTests
{
    [Theory]
    [InlineData(40, 12)]
    [InlineData(12, 12)]
    [InlineData(9, 1)]
    [InlineData(1, 1)]
    public void Columns_are_orthonormal_and_span_the_matrix(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw(rows, columns);

        var basis = Orthonormal.Columns(matrix);

        DepartureFromOrthonormal(basis).Should().BeLessThan(1e-5);
        (matrix - basis.mm(basis.t().mm(matrix))).abs().max().ToDouble().Should().BeLessThan(1e-4);
    }

    [Fact]
    public void Nearly_dependent_columns_fall_back_to_householder()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw(30, 6);
        var dependent = cat([matrix, matrix + Draw(30, 6) * 1e-6], 1);

        DepartureFromOrthonormal(Orthonormal.Columns(dependent)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Rank_deficient_and_zero_matrices_still_give_orthonormal_columns()
    {
        using var scope = NewDisposeScope();
        var deficient = Draw(20, 2).mm(Draw(2, 5));

        DepartureFromOrthonormal(Orthonormal.Columns(deficient)).Should().BeLessThan(1e-5);
        DepartureFromOrthonormal(Orthonormal.Columns(zeros(20, 5))).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Orthonormal_columns_come_back_as_they_were()
    {
        using var scope = NewDisposeScope();
        var basis = Orthonormal.Columns(Draw(30, 8));

        Orthonormal.Columns(basis).allclose(basis, 1e-5, 1e-6).Should().BeTrue();
    }

    [Fact]
    public void Canonical_signs_make_the_largest_entry_positive()
    {
        using var scope = NewDisposeScope();
        var basis = tensor(new float[,] { { 0.6f, -0.8f }, { -0.8f, -0.6f } });

        var flipped = Orthonormal.WithCanonicalSigns(basis);

        flipped.data<float>().ToArray().Should().Equal(-0.6f, 0.8f, 0.8f, 0.6f);
    }

    private static Tensor Draw(long rows, long columns)
    {
        using var generator = new Generator((ulong)(rows * 100 + columns), CPU);
        return randn(rows, columns, generator: generator);
    }

    private static double DepartureFromOrthonormal(Tensor basis) =>
        (basis.t().mm(basis) - eye(basis.shape[1])).abs().max().ToDouble();
}
