using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Rules;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>What the recorded trajectories do not show of Dion and MoFaSGD.</summary>
public class DionTests
{
    [Theory]
    [InlineData(6, 9), InlineData(9, 6)]
    public void Orthonormalized_step_is_a_polar_factor_of_low_rank(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new DionRule { Rank = 3, Orthonormalizes = true, Scaling = PolarScaling.None };

        for (var t = 1; t <= 4; t++)
        {
            var update = zeros(rows, columns, ScalarType.Float64);
            Recomputed.Update(rule, Draw.Normal(rows, columns, (ulong)t), update, 1, state, new StepContext { Step = t, Parameter = "w" });

            var values = Matrix<double>.Build.DenseOfRowMajor(rows, columns, Recomputed.Entries(update)).Svd().S.ToArray();
            values.Take(3).Should().OnlyContain(value => Math.Abs(value - 1) < 1e-9);
            values.Skip(3).Should().OnlyContain(value => value < 1e-9);
        }
    }

    /// <summary>Dion's algorithm 1 with Q ← orth(R), by QR of another library.</summary>
    [Theory]
    [InlineData(6, 9), InlineData(9, 6), InlineData(7, 7)]
    public void Orthonormalized_updates_follow_the_equations(int rows, int columns)
    {
        const int Rank = 3;
        const double Momentum = 0.9;
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var start = Draw.Normal(columns, Rank, 50);
        var rule = new DionRule { Rank = Rank, Momentum = Momentum, Orthonormalizes = true, Start = new GivenStart(start) };
        var (m, q) = (Matrix<double>.Build.Dense(rows, columns), ToMathNet(start));

        for (var t = 1; t <= 6; t++)
        {
            var (gradient, update) = (Draw.Normal(rows, columns, (ulong)t), zeros(rows, columns, ScalarType.Float64));
            Recomputed.Update(rule, gradient, update, 1, state, new StepContext { Step = t, Parameter = "w" });

            m += ToMathNet(gradient);
            var p = Orthonormal(m * q);
            var r = m.Transpose() * p;
            m -= (1 - Momentum) * p * r.Transpose();
            q = Orthonormal(r);
            var expected = Math.Sqrt((double)rows / columns) * p * q.Transpose();
            Draw.Error(update, tensor(expected.ToRowMajorArray()).reshape(rows, columns)).Should().BeLessThan(1e-9);
        }
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void Directions_that_the_momentum_does_not_have_take_no_step(bool orthonormalizes)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new DionRule { Rank = 4, Orthonormalizes = orthonormalizes, Scaling = PolarScaling.None };
        var gradient = Draw.WithSingularValues(8, 12, 1, 1, 0.5).to(ScalarType.Float32);

        for (var t = 1; t <= 5; t++)
        {
            var update = zeros(8, 12);
            Recomputed.Update(rule, gradient, update, 1, state, new StepContext { Step = t, Parameter = "w" });

            // All of the step lies in the two directions of the gradient.
            var left = linalg.svd(gradient, fullMatrices: false).U.narrow(1, 0, 2);
            (update - left.mm(left.t().mm(update))).norm().ToDouble().Should().BeLessThan(1e-3);
            update.norm().ToDouble().Should().BeGreaterThan(1);
        }
    }

    [Fact]
    public void Factored_momentum_of_full_rank_is_the_momentum()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new FactoredMomentumRule { Rank = 5, Momentum = 0.8 };
        var sum = zeros(5, 8, ScalarType.Float64);

        for (var t = 1; t <= 5; t++)
        {
            var gradient = Draw.Normal(5, 8, (ulong)t);
            Recomputed.Update(rule, gradient, zeros(5, 8, ScalarType.Float64), 1, state, new StepContext { Step = t });
            sum = 0.8 * sum + gradient;
        }

        Draw.Error((state["left_factor"] * state["singular_values"]).mm(state["right_factor"].t()), sum).Should().BeLessThan(1e-10);
    }

    [Fact]
    public void Factored_momentum_takes_the_residual_outside_of_both_subspaces_from_before()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new FactoredMomentumRule { Rank = 2, ResidualScale = 0.5, Scaling = PolarScaling.None };
        Recomputed.Update(rule, Draw.Normal(5, 8, 1), zeros(5, 8, ScalarType.Float64), 1, state, new StepContext { Step = 1 });
        var (left, right, gradient, update) =
            (state["left_factor"].clone(), state["right_factor"].clone(), Draw.Normal(5, 8, 2), zeros(5, 8, ScalarType.Float64));

        Recomputed.Update(rule, gradient, update, 1, state, new StepContext { Step = 2 });

        var outside = (eye(5, dtype: ScalarType.Float64) - left.mm(left.t())).mm(gradient).mm(eye(8, dtype: ScalarType.Float64) - right.mm(right.t()));
        Draw.Error(update, state["left_factor"].mm(state["right_factor"].t()) + 0.5 * outside).Should().BeLessThan(1e-10);
    }

    /// <summary>The orthonormal columns whose triangular factor has a positive diagonal.</summary>
    private static Matrix<double> Orthonormal(Matrix<double> matrix)
    {
        var qr = matrix.QR(QRMethod.Thin);
        return qr.Q * Matrix<double>.Build.DenseOfDiagonalVector(qr.R.Diagonal().Map(value => value < 0 ? -1.0 : 1));
    }

    private static Matrix<double> ToMathNet(Tensor matrix) =>
        Matrix<double>.Build.DenseOfRowMajor((int)matrix.shape[0], (int)matrix.shape[1], Recomputed.Entries(matrix));

    private sealed record GivenStart(Tensor Start) : IDrawnBasis
    {
        public Tensor Draw(Tensor like, long length, long rank, in StepContext step) => Start.clone();
    }
}
