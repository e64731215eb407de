using FluentAssertions;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>Polar factors, against singular value decompositions of another library in float64.</summary>
public class PolarRuleTests
{
    [Theory]
    [InlineData(7, 12, ScalarType.Float64, 1e-12)]
    [InlineData(12, 7, ScalarType.Float64, 1e-12)]
    [InlineData(7, 12, ScalarType.Float32, 1e-5)]
    [InlineData(12, 7, ScalarType.Float32, 1e-5)]
    [InlineData(9, 9, ScalarType.Float32, 1e-5)]
    [InlineData(1, 5, ScalarType.Float32, 1e-6)]
    public void Exact_factor_is_that_of_the_singular_vectors(int rows, int columns, ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(rows, columns, 1);

        Draw.Error(PolarFactor.Exact(matrix.to(dtype)), Polar(matrix)).Should().BeLessThan(tolerance);
    }

    [Theory]
    [InlineData(0.5, 0.02)]
    [InlineData(1e-3, 1e-4)]
    [InlineData(1e-5, 1e-5)]
    public void Exact_factor_of_an_ill_conditioned_matrix_has_ones_for_singular_values(double second, double third)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(3, 40, 3, 1, second, third).to(ScalarType.Float32);

        SingularValues(PolarFactor.Exact(matrix)).Should().OnlyContain(value => Math.Abs(value - 1) < 0.02);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Exact_factor_of_lower_rank_has_the_directions_that_the_matrix_has(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(8, 20, 4, 3, 1, 0.2);

        Draw.Error(PolarFactor.Exact(matrix.to(dtype)), Polar(matrix, rank: 3)).Should().BeLessThan(1e-4);
    }

    [Theory]
    [InlineData(6, 11)]
    [InlineData(11, 6)]
    public void Newton_Schulz_applies_its_polynomial_to_the_singular_values(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(rows, columns, 5);
        var norm = matrix.norm().ToDouble();

        var expected = WithSingularValues(matrix, value =>
        {
            var x = value / norm;
            for (var step = 0; step < 5; step++)
                x = 3.4445 * x - 4.7750 * Math.Pow(x, 3) + 2.0315 * Math.Pow(x, 5);
            return x;
        });

        Draw.Error(PolarFactor.NewtonSchulz(matrix, 5, inBFloat16: false), expected).Should().BeLessThan(1e-12);
        Draw.Error(PolarFactor.NewtonSchulz(matrix.to(ScalarType.Float32), 5, inBFloat16: false), expected).Should().BeLessThan(1e-4);
        Draw.Error(PolarFactor.NewtonSchulz(matrix.to(ScalarType.Float32), 5, inBFloat16: true), expected).Should().BeLessThan(0.1);
    }

    /// <summary>Where float32 tells the factor, where it does so with a step of Newton-Schulz after it, and where it takes float64.</summary>
    [Theory]
    [InlineData(1e-1, 1e-3), InlineData(5e-3, 5e-3), InlineData(2e-3, 0.01), InlineData(5e-4, 1e-3), InlineData(1e-5, 0.02)]
    public void Exact_factor_keeps_its_digits_however_small_the_last_singular_values_are(double least, double tolerance)
    {
        using var scope = NewDisposeScope();
        double[] values = [.. Enumerable.Range(0, 24).Select(i => Math.Pow(least, i / 23.0))];
        var matrix = Draw.WithSingularValues(24, 60, 11, values).to(ScalarType.Float32);

        foreach (var (given, expected) in new[] { (matrix, Polar(matrix)), (matrix.t(), Polar(matrix.t())) })
            Draw.Error(PolarFactor.Exact(given), expected).Should().BeLessThan(tolerance);
    }

    /// <summary>Long enough for several steps at once, and large enough for products of which half is computed.</summary>
    [Theory]
    [InlineData(300, 300), InlineData(300, 500), InlineData(500, 300), InlineData(260, 260)]
    public void Newton_Schulz_of_large_matrices_is_the_polynomial_of_float64(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(rows, columns, 12).mm(Draw.Normal(columns, columns, 13).mul(Pow(0.97, columns)));
        var expected = StepByStep(matrix, 7);

        Draw.Error(PolarFactor.NewtonSchulz(matrix, 7, inBFloat16: false), expected).Should().BeLessThan(1e-11);
        Draw.Error(PolarFactor.NewtonSchulz(matrix.to(ScalarType.Float32), 7, inBFloat16: false), expected).Should().BeLessThan(1e-4);
        Cosine(PolarFactor.NewtonSchulz(matrix.to(ScalarType.Float32), 7, inBFloat16: true), expected).Should().BeGreaterThan(0.97);

        static Tensor Pow(double of, int count) => tensor(Enumerable.Range(0, count).Select(i => Math.Pow(of, i)).ToArray());
    }

    [Theory]
    [InlineData(300, 500, false), InlineData(300, 500, true), InlineData(40, 40, false), InlineData(40, 40, true)]
    public void Newton_Schulz_of_lower_rank_moves_in_the_directions_that_the_matrix_has(int rows, int columns, bool inBFloat16)
    {
        using var scope = NewDisposeScope();
        var (left, right) = (Draw.Normal(rows, 3, 14), Draw.Normal(3, columns, 15));
        var (matrix, basis) = (left.mm(right).to(ScalarType.Float32), linalg.qr(left).Q);

        var polar = PolarFactor.NewtonSchulz(matrix, 5, inBFloat16).to(ScalarType.Float64);

        polar.isfinite().all().ToBoolean().Should().BeTrue();
        var inside = basis.mm(basis.t().mm(polar));
        SingularValues(basis.t().mm(polar)).Should().OnlyContain(value => value > 0.6 && value < 1.3);
        (polar - inside).norm().ToDouble().Should().BeLessThan(inBFloat16 ? 0.35 * Math.Sqrt(rows) : 1e-2);
    }

    [Theory]
    [InlineData(300, 300), InlineData(400, 300), InlineData(257, 600)]
    public void Halves_of_symmetric_products_are_those_of_the_whole(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(rows, columns, 16);
        var gram = rows > columns ? matrix.t().mm(matrix) : matrix.mm(matrix.t());

        foreach (var (dtype, tolerance) in new[] { (ScalarType.Float64, 1e-14), (ScalarType.Float32, 1e-6), (ScalarType.BFloat16, 1e-2) })
        {
            var found = SymmetricProducts.Gram(matrix.to(dtype));
            var sum = SymmetricProducts.Plus(gram.to(dtype), -0.3, gram.to(dtype), gram.to(dtype), 1.7e-3);

            Draw.Error(found, gram).Should().BeLessThan(tolerance);
            Draw.Error(sum, gram * -0.3 + gram.mm(gram) * 1.7e-3).Should().BeLessThan(tolerance);
            Draw.Error(sum, sum.t().to(ScalarType.Float64)).Should().BeLessThan(tolerance);
        }
    }

    [Theory]
    [InlineData(1e-40), InlineData(1e-30), InlineData(1), InlineData(1e30), InlineData(3e37)]
    public void Size_of_the_matrix_makes_no_difference(double size)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(5, 9, 6, 1, 0.8, 0.5, 0.4, 0.3).to(ScalarType.Float32);
        var tolerance = size < 1e-38 ? 0.01 : 1e-4;

        foreach (var polar in (Func<Tensor, Tensor>[])[PolarFactor.Exact, x => PolarFactor.NewtonSchulz(x, 5, inBFloat16: false)])
            Draw.Error(polar(matrix * size), polar(matrix).to(ScalarType.Float64)).Should().BeLessThan(tolerance);
        Draw.Error(PolarFactor.NewtonSchulz(matrix * size, 5, inBFloat16: true), PolarFactor.NewtonSchulz(matrix, 5, inBFloat16: false).to(ScalarType.Float64))
            .Should().BeLessThan(0.1);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(5)]
    public void Zero_has_a_factor_of_zeros(int? steps)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new PolarRule { NewtonSchulzSteps = steps };

        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
            rule.Advance(zeros(4, 6, dtype), state, new StepContext { Step = 1 }).Direction.eq(0).all().ToBoolean().Should().BeTrue();
    }

    [Theory]
    [InlineData(0, false, 6, 4), InlineData(0.9, false, 4, 6), InlineData(0.9, true, 6, 4)]
    public void Updates_follow_the_equations(double momentum, bool nesterov, int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var rule = new PolarRule { Momentum = momentum, Nesterov = nesterov || momentum == 0, NewtonSchulzSteps = null };
        using var state = new StateBag();
        var (weight, expected, sum) =
            (zeros(rows, columns, ScalarType.Float64), zeros(rows, columns, ScalarType.Float64), zeros(rows, columns, ScalarType.Float64));

        for (var t = 1; t <= 6; t++)
        {
            var gradient = Draw.Normal(rows, columns, (ulong)t);
            Recomputed.Update(rule, gradient, weight, -0.01, state, new StepContext { Step = t });

            sum = momentum * sum + gradient;
            expected -= 0.01 * 0.2 * Math.Sqrt(6) * Polar(nesterov ? gradient + momentum * sum : momentum == 0 ? gradient : sum);
        }

        Draw.Error(weight, expected).Should().BeLessThan(1e-10);
        state.Tensors.Should().HaveCount(momentum > 0 ? 1 : 0);
    }

    [Theory]
    [InlineData(PolarScaling.RootMeanSquare, 0.2 * 3)]
    [InlineData(PolarScaling.AspectRatio, 1.5)]
    [InlineData(PolarScaling.Spectral, 1.5)]
    [InlineData(PolarScaling.None, 1)]
    public void Factor_of_a_tall_matrix_is_that_of_its_scaling(PolarScaling scaling, double factor) =>
        Correction(scaling, 9, 4).Should().BeApproximately(factor, 1e-12);

    [Theory]
    [InlineData(PolarScaling.RootMeanSquare, 0.2 * 3)]
    [InlineData(PolarScaling.AspectRatio, 1)]
    [InlineData(PolarScaling.Spectral, 2.0 / 3)]
    [InlineData(PolarScaling.None, 1)]
    public void Factor_of_a_wide_matrix_is_that_of_its_scaling(PolarScaling scaling, double factor) =>
        Correction(scaling, 4, 9).Should().BeApproximately(factor, 1e-12);

    [Fact]
    public void Entries_of_a_step_have_the_size_of_AdamWs()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var update = zeros(32, 96);

        new PolarRule { NewtonSchulzSteps = null }.AddUpdate(Draw.Normal(32, 96, 8).to(ScalarType.Float32), update, 1, state, new StepContext { Step = 1 });

        update.square().mean().sqrt().ToDouble().Should().BeApproximately(0.2, 1e-3);
    }

    [Fact]
    public void Momentum_in_8_bits_takes_a_quarter_and_steps_nearly_the_same_way()
    {
        using var scope = NewDisposeScope();
        using StateBag exact = new(), quantized = new();
        PolarRule rule = new() { NewtonSchulzSteps = null };
        Tensor one = zeros(64, 128), other = zeros(64, 128);

        for (var t = 1; t <= 10; t++)
        {
            var gradient = Draw.Normal(64, 128, (ulong)t).to(ScalarType.Float32);
            rule.AddUpdate(gradient, one, 1, exact, new StepContext { Step = t });
            rule.WithStates(StateFormat.Blockwise8Bit).AddUpdate(gradient, other, 1, quantized, new StepContext { Step = t });
        }

        quantized.Bytes.Should().BeLessThan((long)(0.26 * exact.Bytes));
        Cosine(one, other).Should().BeGreaterThan(0.999);
    }

    [Fact]
    public void Vector_is_refused_before_anything_changes()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();

        FluentActions.Invoking(() => new PolarRule().Advance(ones(4), state, new StepContext { Step = 1, Parameter = "norm.weight" }))
            .Should().Throw<ArgumentException>().WithMessage("'norm.weight' is a vector, and PolarRule is for the matrices of layers: give it another rule*");
        state.Counters.Should().BeEmpty();
    }

    [Theory]
    [InlineData("bias", new long[] { 4 }, "a vector")]
    [InlineData("embed.weight", new long[] { 9, 4 }, "the table of an embedding")]
    public void Recipe_that_gives_it_what_is_no_matrix_of_a_layer_is_refused(string name, long[] shape, string kind)
    {
        using Parameter matrix = new(ones(4, 4)), other = new(ones(shape));
        var recipe = Recipe.Of("test", new AdamRule(), others: new PolarRule());

        FluentActions.Invoking(() => recipe.Attach([("layer.weight", matrix), (name, other)]))
            .Should().Throw<ArgumentException>().WithMessage($"'{name}' is {kind}, *");
    }

    [Fact]
    public void Method_that_has_it_inside_trains_everything_else_by_Adam()
    {
        using Parameter matrix = new(ones(8, 8)), bias = new(ones(8)), table = new(ones(9, 8)), head = new(ones(9, 8));
        using var session = new GaLore { Rank = 4, Beta2 = 0.95, Inner = new PolarRule() }
            .Attach([("layer.weight", matrix), ("layer.bias", bias), ("embed.weight", table), ("lm_head.weight", head)]);

        session.Parameters.Select(plan => plan.Rule.GetType()).Should().Equal(typeof(SubspaceRule), typeof(AdamRule), typeof(AdamRule), typeof(AdamRule));
        session.Parameters[1].Rule.Betas!.Value.Beta2.Should().Be(0.95);
    }

    private static double Correction(PolarScaling scaling, int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        return new PolarRule { Scaling = scaling }.Advance(ones(rows, columns), state, new StepContext { Step = 1 }).Correction;
    }

    private static double Cosine(Tensor one, Tensor other) => (one * other).sum().div(one.norm() * other.norm()).ToDouble();

    private static Tensor StepByStep(Tensor matrix, int steps)
    {
        var x = matrix / matrix.norm();
        for (var step = 0; step < steps; step++)
        {
            var square = x.mm(x.t());
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square.mm(square)).mm(x);
        }

        return x;
    }

    private static Tensor Polar(Tensor matrix, int? rank = null)
    {
        var kept = 0;
        return WithSingularValues(matrix, _ => kept++ < (rank ?? int.MaxValue) ? 1 : 0);
    }

    private static Tensor WithSingularValues(Tensor matrix, Func<double, double> value)
    {
        var svd = ToMathNet(matrix).Svd();
        var shorter = svd.S.Count;
        var values = Matrix<double>.Build.DenseOfDiagonalArray([.. svd.S.Select(value)]);
        var product = svd.U.SubMatrix(0, svd.U.RowCount, 0, shorter) * values * svd.VT.SubMatrix(0, shorter, 0, svd.VT.ColumnCount);
        return tensor(product.ToRowMajorArray()).reshape(matrix.shape);
    }

    private static double[] SingularValues(Tensor matrix) => [.. ToMathNet(matrix).Svd(computeVectors: false).S];

    private static Matrix<double> ToMathNet(Tensor matrix) =>
        Matrix<double>.Build.DenseOfRowMajor((int)matrix.shape[0], (int)matrix.shape[1], Recomputed.Entries(matrix));
}
