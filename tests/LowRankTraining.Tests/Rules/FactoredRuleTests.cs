using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class AdafactorRuleTests
{
    /// <summary>Algorithm 4 and the relative step of algorithm 5, entry by entry in double precision.</summary>
    [Fact]
    public void Matrix_follows_the_paper()
    {
        using var scope = NewDisposeScope();
        const int Rows = 3, Columns = 4;
        var rule = new AdafactorRule { Beta1 = 0.8, ClipThreshold = 0.9, ScaleParameter = true, RelativeStep = true };
        using var state = new StateBag();
        var weight = Recomputed.Gradient(0, Rows, Columns).to_type(ScalarType.Float64);
        var expected = Recomputed.Entries(weight);
        double[] r = new double[Rows], c = new double[Columns], m = new double[Rows * Columns];

        for (var t = 1; t <= 15; t++)
        {
            var gradient = Recomputed.Gradient(t, Rows, Columns);
            var g = Recomputed.Entries(gradient);
            Recomputed.Update(rule, gradient, weight, -0.5, state, new StepContext { Step = t, Weight = weight });

            var decay = 1 - Math.Pow(t, -0.8);
            for (var i = 0; i < Rows; i++)
                r[i] = decay * r[i] + (1 - decay) * Enumerable.Range(0, Columns).Average(j => g[i * Columns + j] * g[i * Columns + j] + 1e-30);
            for (var j = 0; j < Columns; j++)
                c[j] = decay * c[j] + (1 - decay) * Enumerable.Range(0, Rows).Average(i => g[i * Columns + j] * g[i * Columns + j] + 1e-30);

            var update = g.Select((value, k) => value / Math.Sqrt(r[k / Columns] * c[k % Columns] / r.Average())).ToArray();
            var clip = Math.Max(1, Recomputed.Rms(update) / 0.9);
            var rate = Math.Max(1e-3, Recomputed.Rms(expected)) * Math.Min(1e-2, 1 / Math.Sqrt(t));
            for (var k = 0; k < m.Length; k++)
            {
                m[k] = 0.8 * m[k] + 0.2 * rate * update[k] / clip;
                expected[k] -= 0.5 * m[k];
            }
        }

        Recomputed.Entries(weight).Should().Equal(expected, (a, b) => Math.Abs(a - b) < 1e-12);
        state["exp_avg_sq_row"].shape.Should().Equal(Rows);
        state["exp_avg_sq_col"].shape.Should().Equal(Columns);
    }

    [Fact]
    public void Vector_keeps_its_whole_second_moment()
    {
        using var scope = NewDisposeScope();
        var rule = new AdafactorRule();
        using var state = new StateBag();
        var weight = zeros(5, ScalarType.Float64);
        double[] v = new double[5], expected = new double[5];

        for (var t = 1; t <= 10; t++)
        {
            var gradient = Recomputed.Gradient(t, 1, 5).reshape(5);
            var g = Recomputed.Entries(gradient);
            Recomputed.Update(rule, gradient, weight, -0.1, state, new StepContext { Step = t });

            var decay = 1 - Math.Pow(t, -0.8);
            v = [.. v.Zip(g, (old, value) => decay * old + (1 - decay) * value * value)];
            var update = g.Zip(v, (value, square) => value / Math.Sqrt(square)).ToArray();
            var clip = Math.Max(1, Recomputed.Rms(update));
            expected = [.. expected.Zip(update, (w, u) => w - 0.1 * u / clip)];
        }

        Recomputed.Entries(weight).Should().Equal(expected, (a, b) => Math.Abs(a - b) < 1e-12);
        state.Tensors.Keys.Should().Equal("exp_avg_sq");
    }

    [Fact]
    public void Weight_decay_is_relative_too()
    {
        using var scope = NewDisposeScope();
        using var weight = new TorchSharp.Modules.Parameter(full(4, 4, 0.5));
        using var optimizer = new GaLore
        {
            Rank = 2,
            Inner = new AdafactorRule { ScaleParameter = true },
            Scale = 1e-9,
        }.Attach([("weight", weight)]).CreateOptimizer(lr: 0.1, weight_decay: 0.2);

        weight.grad = Recomputed.Gradient(1, 4, 4).to_type(ScalarType.Float32);
        optimizer.step();

        Recomputed.Entries(weight).Should().OnlyContain(value => Math.Abs(value - 0.5 * (1 - 0.1 * 0.2 * 0.5)) < 1e-6);
    }

    [Fact]
    public void Relative_rule_without_a_weight_says_what_is_missing()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new AdafactorRule { ScaleParameter = true };

        var advance = () => rule.Advance(Recomputed.Gradient(1, 2, 2), state, new StepContext { Step = 1 });

        advance.Should().Throw<InvalidOperationException>().WithMessage("*StepContext.Weight*");
    }

    [Fact]
    public void Bytes_are_those_of_the_averages()
    {
        new AdafactorRule().BytesFor([24, 40]).Should().Be(4 * (24 + 40));
        new AdafactorRule { Beta1 = 0.9 }.BytesFor([24, 40]).Should().Be(4 * (24 + 40 + 24 * 40));
        new FloraRule { Rank = 4 }.BytesFor([24, 40]).Should().Be(4 * (24 + 40 + 4 * 40));
    }
}

public class FloraRuleTests
{
    /// <summary>A wide matrix, over a change of sketch: from the left, with the matrices that the rule itself draws.</summary>
    [Fact]
    public void Momentum_goes_through_the_sketch_as_published()
    {
        using var scope = NewDisposeScope();
        const int Rows = 3, Columns = 5, Every = 4;
        var rule = new FloraRule { Rank = 2, ResampleEvery = Every, Adafactor = new() { Beta1 = 0.9 } };
        var plain = new AdafactorRule();
        using StateBag state = new(), reference = new();
        var weight = zeros(Rows, Columns, ScalarType.Float64);
        var expected = zeros(Rows, Columns, ScalarType.Float64);
        var sketch = zeros(2, Columns, ScalarType.Float64);

        for (var t = 1; t <= 10; t++)
        {
            var gradient = Recomputed.Gradient(t, Rows, Columns);
            var step = new StepContext { Step = t, Parameter = "w", Seed = 3 };
            rule.AddUpdate(gradient, weight, -0.1, state, step);

            // Without a threshold Adafactor's direction is the normalized gradient.
            var (update, _) = (plain with { ClipThreshold = 1e9 }).Advance(gradient, reference, step);
            var (old, now) = (Basis(t - 1), Basis(t));
            var averaged = 0.9 * old.mm(sketch) + 0.1 * update;
            var carried = t % Every == 0 ? now.t().mm(old.mm(sketch)) : sketch;
            sketch = 0.9 * carried + 0.1 * now.t().mm(update);
            expected -= 0.1 * averaged / Math.Max(1, Recomputed.Rms(Recomputed.Entries(averaged)));
        }

        Recomputed.Entries(weight).Should().Equal(Recomputed.Entries(expected), (a, b) => Math.Abs(a - b) < 1e-12);
        state["exp_avg"].shape.Should().Equal(2, Columns);

        Tensor Basis(int t) => rule.Basis.Draw(weight, Rows, 2, new StepContext { Step = Math.Max(1, t / Every * Every), Parameter = "w", Seed = 3 });
    }

    [Theory]
    [InlineData(4, 40, 1000, false)]
    [InlineData(10, 40, 3, false)]
    [InlineData(10, 40, 4, true)]
    public void Matrix_is_sketched_where_that_saves_and_the_shape_allows_it(int rows, int columns, double ratio, bool sketched)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new FloraRule { Rank = 4, MaxAspectRatio = ratio, Adafactor = new() { Beta1 = 0.9 } };

        rule.AddUpdate(Recomputed.Gradient(1, rows, columns), zeros(rows, columns, ScalarType.Float64), -0.1, state, new StepContext { Step = 1 });

        state["exp_avg"].shape.Should().Equal(sketched ? [4, columns] : [rows, columns]);
    }
}
