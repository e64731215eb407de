using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Rules;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class SpectronTests
{
    private const int Rank = 3;

    /// <summary>Algorithm 1 by singular value decompositions of another library: exact polar factors, and norms that the power method has settled
    /// on.</summary>
    [Theory]
    [InlineData(6, 10, 0.0), InlineData(10, 6, 0.1), InlineData(5, 5, 0.1)]
    public void Updates_follow_algorithm_1(int rows, int columns, double decay)
    {
        const double Rate = 0.05, Momentum = 0.9;
        using var scope = NewDisposeScope();
        using var model = Model(rows, columns, ScalarType.Float64);
        using var optimizer = new Spectron { Rank = Rank, Momentum = Momentum, NewtonSchulzSteps = null, PowerIterations = 300, AllowUnreached = true }
            .Attach(model).CreateOptimizer(Rate, weight_decay: decay);
        var layer = LayerOf(model);
        var (u, v) = (Of(layer.factor_U), Of(layer.factor_V));
        var (momentOfU, momentOfV) = (u * 0, v * 0);

        for (var t = 1; t <= 20; t++)
        {
            (layer.factor_U.grad, layer.factor_V.grad) = (Draw.Normal(rows, Rank, (ulong)t), Draw.Normal(Rank, columns, (ulong)(100 + t)));
            momentOfU = Momentum * momentOfU + (1 - Momentum) * Of(layer.factor_U.grad);
            momentOfV = Momentum * momentOfV + (1 - Momentum) * Of(layer.factor_V.grad);
            var rho = Rate / (u.L2Norm() + v.L2Norm() + 1);
            u = (1 - Rate * decay) * u - rho * Polar(momentOfU);
            v = (1 - Rate * decay) * v - rho * Polar(momentOfV);

            optimizer.step();
        }

        (Of(layer.factor_U) - u).L2Norm().Should().BeLessThan(1e-9);
        (Of(layer.factor_V) - v).L2Norm().Should().BeLessThan(1e-9);
    }

    /// <summary>With the defaults five Newton-Schulz steps leave singular values up to 1.2, and one power iteration a step finds norms that move
    /// slowly.</summary>
    [Theory]
    [InlineData(1e-6, ScalarType.Float32), InlineData(1, ScalarType.Float32), InlineData(1e20, ScalarType.Float32), InlineData(1, ScalarType.BFloat16)]
    public void Weight_changes_by_little_more_than_the_rate_in_any_direction(double size, ScalarType dtype)
    {
        const double Rate = 0.1;
        using var scope = NewDisposeScope();
        using var model = Model(24, 40, dtype);
        using var optimizer = new Spectron { Rank = 8, AllowUnreached = true }.Attach(model).CreateOptimizer(Rate);
        var layer = LayerOf(model);

        for (var t = 1; t <= 60; t++)
        {
            (layer.factor_U.grad, layer.factor_V.grad) =
                ((Draw.Normal(24, 8, (ulong)t) * size).to(dtype), (Draw.Normal(8, 40, (ulong)(100 + t)) * size).to(dtype));
            var before = Of(layer.EffectiveWeight());

            optimizer.step();

            // The first singular vectors are drawn: norms are known to some per cent after a few steps.
            var change = (Of(layer.EffectiveWeight()) - before).L2Norm();
            change.Should().BePositive().And.BeLessThan((t <= 5 ? 2 : 1.3) * Rate, $"in step {t}");
        }
    }

    [Fact]
    public void Factor_of_zeros_is_trained_like_any_other()
    {
        using var scope = NewDisposeScope();
        using var model = Model(6, 10, ScalarType.Float32);
        nn.init.zeros_(((Linear)model.named_children().First().module).weight);
        using var optimizer = new Spectron { Rank = Rank, AllowUnreached = true }.Attach(model).CreateOptimizer(0.1);
        var layer = LayerOf(model);

        for (var t = 1; t <= 3; t++)
        {
            (layer.factor_U.grad, layer.factor_V.grad) = (zeros_like(layer.factor_U), Draw.Normal(Rank, 10, (ulong)t).to(ScalarType.Float32));
            optimizer.step();
        }

        layer.factor_U.count_nonzero().ToInt64().Should().Be(0);
        layer.factor_V.norm().ToDouble().Should().BePositive().And.BeLessThan(1);
    }

    private static Sequential Model(int rows, int columns, ScalarType dtype)
    {
        manual_seed(5);
        var linear = nn.Linear(columns, rows, hasBias: false, dtype: dtype);
        return nn.Sequential(("first", linear));
    }

    private static FactorizedLinear LayerOf(Sequential model) => (FactorizedLinear)model.named_children().First().module;

    private static Matrix<double> Polar(Matrix<double> matrix)
    {
        var svd = matrix.Svd();
        var values = Math.Min(matrix.RowCount, matrix.ColumnCount);
        return svd.U.SubMatrix(0, matrix.RowCount, 0, values) * svd.VT.SubMatrix(0, values, 0, matrix.ColumnCount);
    }

    private static Matrix<double> Of(Tensor tensor) =>
        Matrix<double>.Build.DenseOfRowMajor((int)tensor.shape[0], (int)tensor.shape[1], Recomputed.Entries(tensor));
}
