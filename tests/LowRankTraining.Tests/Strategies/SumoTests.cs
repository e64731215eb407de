using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Rules;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class SumoTests
{
    /// <summary>Algorithm 1 written in the whole space, where signs of basis vectors do not matter: the momentum P M is turned by P Pᵀ.</summary>
    [Theory]
    [InlineData(6, 10), InlineData(10, 6)]
    public void Updates_follow_algorithm_1(int rows, int columns)
    {
        const int Rank = 3, Every = 4;
        const double Rate = 0.01, Momentum = 0.9;
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(rows, columns, ScalarType.Float64));
        using var optimizer = new Sumo { Rank = Rank, RefreshEvery = Every, Momentum = Momentum, ResidualScale = 0.5, Basis = new ExactSvdBasis() }
            .Attach([("w", weight)]).CreateOptimizer(Rate);
        var expected = Matrix<double>.Build.Dense(rows, columns);
        var moment = Matrix<double>.Build.Dense(rows, columns);
        Matrix<double> inside = moment;

        for (var t = 1; t <= 10; t++)
        {
            var gradient = Draw.Normal(rows, columns, (ulong)t);
            weight.grad = gradient;
            optimizer.step();

            var g = Matrix<double>.Build.DenseOfRowMajor(rows, columns, Recomputed.Entries(gradient));
            if ((t - 1) % Every == 0)
            {
                var svd = g.Svd();
                var basis = rows < columns ? svd.U.SubMatrix(0, rows, 0, Rank) : svd.VT.SubMatrix(0, Rank, 0, columns).Transpose();
                inside = basis * basis.Transpose();
                moment = Inside(moment);
            }

            moment = Momentum * moment + (1 - Momentum) * Inside(g);
            expected -= Rate * (0.2 * Math.Sqrt(10) * Polar(moment) + 0.5 * (g - Inside(g)));
        }

        Draw.Error(weight, tensor(expected.ToRowMajorArray()).reshape(rows, columns)).Should().BeLessThan(1e-9);

        Matrix<double> Inside(Matrix<double> x) => rows < columns ? inside * x : x * inside;

        static Matrix<double> Polar(Matrix<double> x)
        {
            var svd = x.Svd();
            return svd.U.SubMatrix(0, x.RowCount, 0, Rank) * svd.VT.SubMatrix(0, Rank, 0, x.ColumnCount);
        }
    }

    [Fact]
    public void State_is_a_basis_and_one_moment()
    {
        using var weight = new Parameter(randn(12, 20));
        using var optimizer = new Sumo { Rank = 4 }.Attach([("w", weight)]).CreateOptimizer();
        weight.grad = randn(12, 20);

        optimizer.step();

        optimizer.StateBytes.Should().Be(4 * 4 * (12 + 20));
    }
}
