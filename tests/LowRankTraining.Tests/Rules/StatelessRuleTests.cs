using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>SinkGD's and SCALE's rules, against their equations written out number by number.</summary>
public class StatelessRuleTests
{
    [Theory]
    [InlineData(1, 5, 8), InlineData(5, 5, 8), InlineData(5, 8, 5)]
    public void Sinkhorn_normalizes_rows_and_columns_in_turn(int iterations, int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var (gradient, update) = (Recomputed.Gradient(1, rows, columns), zeros(rows, columns, ScalarType.Float64));

        Recomputed.Update(new SinkhornRule { Iterations = iterations, Scale = 0.3 }, gradient, update, -0.1, state, new StepContext { Step = 1 });

        var x = Recomputed.Entries(gradient);
        for (var pass = 0; pass < iterations; pass++)
        {
            foreach (var i in Enumerable.Range(0, rows))
                Divide([.. Enumerable.Range(0, columns).Select(j => i * columns + j)], Math.Sqrt(columns));
            foreach (var j in Enumerable.Range(0, columns))
                Divide([.. Enumerable.Range(0, rows).Select(i => i * columns + j)], Math.Sqrt(rows));
        }

        Recomputed.Entries(update).Should().Equal([.. x.Select(entry => -0.03 * entry)], (a, b) => Math.Abs(a - b) < 1e-12);
        state.Bytes.Should().Be(0);

        void Divide(int[] vector, double length)
        {
            var norm = Math.Sqrt(vector.Sum(k => x[k] * x[k]));
            foreach (var k in vector)
                x[k] *= length / norm;
        }
    }

    [Theory]
    [InlineData(1e-36), InlineData(1e-20), InlineData(1e20), InlineData(1e37)]
    public void Size_of_the_gradient_makes_no_difference_to_Sinkhorn(double size)
    {
        using var scope = NewDisposeScope();
        var gradient = Draw.Normal(6, 9, 2).to(ScalarType.Float32);

        Draw.Error(Direction(new SinkhornRule(), gradient * size), Direction(new SinkhornRule(), gradient).to(ScalarType.Float64)).Should().BeLessThan(1e-4);
    }

    [Theory]
    [InlineData(200, 70), InlineData(70, 200), InlineData(1030, 1030)]
    public void Sinkhorn_of_float32_is_that_of_float64_in_every_block_of_rows(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var gradient = Draw.Normal(rows, columns, 5) * Draw.Normal(rows, 1, 6).exp();
        var expected = Direction(new SinkhornRule(), gradient);
        var (single, update) = (gradient.to(ScalarType.Float32), zeros(rows, columns));
        using var state = new StateBag();

        new SinkhornRule { Scale = 1 }.AddUpdate(single, update, 1, state, new StepContext { Step = 1 });

        Draw.Error(Direction(new SinkhornRule(), single), expected).Should().BeLessThan(1e-5);
        Draw.Error(update, expected).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Sinkhorn_updates_weights_however_they_lie_in_memory()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var gradient = Draw.Normal([4, 3, 2, 2], 7).to(ScalarType.Float32);
        var (packed, turned) = (zeros(4, 3, 2, 2), zeros(4, 2, 2, 3).permute(0, 3, 1, 2));

        new SinkhornRule().AddUpdate(gradient, packed, 1, state, new StepContext { Step = 1 });
        new SinkhornRule().AddUpdate(gradient.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2), turned, 1, state, new StepContext { Step = 1 });

        packed.square().mean().sqrt().ToDouble().Should().BeApproximately(0.05, 1e-3);
        Draw.Error(turned, packed.to(ScalarType.Float64)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Sinkhorn_of_bfloat16_is_that_of_the_same_numbers()
    {
        using var scope = NewDisposeScope();
        var gradient = Draw.Normal(6, 9, 8).to(ScalarType.BFloat16);

        Draw.Error(Direction(new SinkhornRule(), gradient), Direction(new SinkhornRule(), gradient.to(ScalarType.Float64))).Should().BeLessThan(1e-5);
    }

    /// <summary>What is too small to be squared beside the rest has no direction of its own; nothing may become NaN, zeros in it least of all.</summary>
    [Theory]
    [InlineData(1e-12), InlineData(1e-20), InlineData(1e-30), InlineData(1e-44)]
    public void Rows_and_columns_far_below_the_rest_leave_Sinkhorn_finite(double size)
    {
        using var scope = NewDisposeScope();
        foreach (var overall in new[] { 1, 1e-30 })
        {
            var gradient = Draw.Normal(6, 9, 9);
            gradient[2] *= size;
            gradient[TensorIndex.Colon, 4] *= size;
            gradient[1, 1] = gradient[2, 3] = gradient[3, 4] = zeros(1, ScalarType.Float64).squeeze();

            var direction = Direction(new SinkhornRule(), (gradient * overall).to(ScalarType.Float32));

            direction.isfinite().all().ToBoolean().Should().BeTrue();
            direction.square().mean().ToDouble().Should().BeInRange(0.5, 1.5);
        }
    }

    [Fact]
    public void Rows_and_columns_of_zeros_stay_zero()
    {
        using var scope = NewDisposeScope();
        var gradient = Draw.Normal(6, 9, 3);
        gradient[2] = zeros(9, ScalarType.Float64);
        gradient[TensorIndex.Colon, 4] = zeros(6, ScalarType.Float64);

        foreach (var direction in new[] { Direction(new SinkhornRule(), gradient), Direction(new RowNormRule(), gradient),
            Direction(new RowNormRule { ByColumns = true }, gradient) })
        {
            direction.isfinite().all().ToBoolean().Should().BeTrue();
            direction[2].eq(0).all().ToBoolean().Should().BeTrue();
            direction[TensorIndex.Colon, 4].eq(0).all().ToBoolean().Should().BeTrue();
            direction.square().mean().ToDouble().Should().BeGreaterThan(0.5);
        }
    }

    [Theory]
    [InlineData(false, 0), InlineData(true, 0), InlineData(false, 0.9)]
    public void Rows_or_columns_are_divided_by_their_root_mean_square(bool byColumns, double momentum)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        const int Rows = 3, Columns = 5;
        var rule = new RowNormRule { ByColumns = byColumns, Momentum = momentum, Epsilon = 0.5 };
        var weight = zeros(Rows, Columns, ScalarType.Float64);
        double[] mean = new double[Rows * Columns], expected = new double[Rows * Columns];

        for (var t = 1; t <= 5; t++)
        {
            var gradient = Recomputed.Gradient(t, Rows, Columns);
            var g = Recomputed.Entries(gradient);
            Recomputed.Update(rule, gradient, weight, -0.1, state, new StepContext { Step = t });

            for (var k = 0; k < g.Length; k++)
                mean[k] = momentum * mean[k] + (1 - momentum) * g[k];
            for (var k = 0; k < g.Length; k++)
                expected[k] -= 0.1 * mean[k] / Math.Max(0.5,
                    Recomputed.Rms([.. mean.Where((_, other) => byColumns ? other % Columns == k % Columns : other / Columns == k / Columns)]));
        }

        Recomputed.Entries(weight).Should().Equal(expected, (a, b) => Math.Abs(a - b) < 1e-12);
        state.Tensors.Should().HaveCount(momentum > 0 ? 1 : 0);
    }

    [Fact]
    public void Convolutions_are_normalized_output_by_output()
    {
        using var scope = NewDisposeScope();
        var gradient = Draw.Normal([4, 3, 2, 2], 4);

        var direction = Direction(new RowNormRule(), gradient);

        direction.square().mean([1, 2, 3]).sub(1).abs().max().ToDouble().Should().BeLessThan(1e-12);
        Direction(new RowNormRule { ByColumns = true }, gradient).square().mean([0]).sub(1).abs().max().ToDouble().Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Scale_gives_each_kind_of_parameter_its_own_rule()
    {
        using Parameter matrix = new(ones(4, 4)), bias = new(ones(4)), table = new(ones(9, 4)), head = new(ones(9, 4));
        using var session = new Scale { Momentum = 0.8 }
            .Attach([("layer.weight", matrix), ("layer.bias", bias), ("embed.weight", table), ("lm_head.weight", head)]);

        session.Parameters.Select(plan => plan.Rule).Should().Equal(
            new RowNormRule(), new AdamRule(), new RowNormRule { ByColumns = true }, new RowNormRule { Momentum = 0.8 });
    }

    [Fact]
    public void Rows_without_a_momentum_step_on_where_moments_are_reset()
    {
        using var weight = new Parameter(zeros(12, 16));
        using var optimizer = new GaLore { Rank = 4, RefreshEvery = 2, Inner = new RowNormRule(), OnRefresh = MomentCarryOver.Reset }
            .Attach([("layer.weight", weight)]).CreateOptimizer();

        for (var step = 0; step < 4; step++)
        {
            weight.grad = Draw.Normal(12, 16, (ulong)step).to(ScalarType.Float32);
            optimizer.step();
        }

        optimizer.Refreshes.Should().Be(2);
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void Vector_is_refused(bool sinkhorn)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        DirectionRule rule = sinkhorn ? new SinkhornRule() : new RowNormRule();

        FluentActions.Invoking(() => rule.AddUpdate(ones(4), zeros(4), 1, state, new StepContext { Step = 1, Parameter = "norm.weight" }))
            .Should().Throw<ArgumentException>().WithMessage("'norm.weight' is a vector, *");
    }

    private static Tensor Direction(DirectionRule rule, Tensor gradient)
    {
        using var state = new StateBag();
        var (direction, correction) = rule.Advance(gradient, state, new StepContext { Step = 1 });
        return direction / (rule is SinkhornRule ? rule.As<SinkhornRule>().Scale / correction : 1);
    }
}
