using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>APOLLO's lift against its equations in double precision, three updates in a row.</summary>
public class ScaledGradientTests
{
    private const double Correction = 0.5, Scale = 4, Rate = -0.25, Growth = 1.01;

    public static TheoryData<int, int, GradientScaling, Compatibility, bool, bool> Everything
    {
        get
        {
            var data = new TheoryData<int, int, GradientScaling, Compatibility, bool, bool>();
            foreach (var (rows, columns) in new[] { (7, 12), (12, 7), (8, 8) })
                foreach (var scaling in Enum.GetValues<GradientScaling>())
                    foreach (var compatibility in Enum.GetValues<Compatibility>())
                        foreach (var limited in new[] { false, true })
                            foreach (var scaleFirst in new[] { false, true })
                                data.Add(rows, columns, scaling, compatibility, limited, scaleFirst);
            return data;
        }
    }

    [Theory, MemberData(nameof(Everything))]
    public void Updates_follow_the_equations(int rows, int columns, GradientScaling scaling, Compatibility compatibility, bool limited, bool scaleFirst)
    {
        using var scope = NewDisposeScope();
        var lift = new ScaledGradient
        {
            Scale = Scale,
            Scaling = scaling,
            ScaleBeforeLimiter = scaleFirst,
            Compatibility = compatibility,
            Limiter = limited ? new NormGrowthLimiter { MaxGrowth = Growth, Compatibility = compatibility } : null,
        };
        using var state = new StateBag();
        double? previous = null;

        foreach (var size in new[] { 1.0, 3.0, 0.1 })
        {
            var step = Step(rows, columns, size);
            var accumulator = zeros(rows, columns, ScalarType.Float64);

            lift.AddTo(accumulator, step, Rate, state);

            var expected = Expected(step, scaling, compatibility, limited, scaleFirst, ref previous);
            Draw.Error(accumulator, expected).Should().BeLessThan(1e-7);
        }
    }

    [Theory]
    [InlineData(7, 12, 1)]
    [InlineData(12, 7, 0)]
    public void Factors_run_along_the_side_that_is_not_compressed(int rows, int columns, int axis)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var step = Step(rows, columns, 1);
        var accumulator = zeros(rows, columns, ScalarType.Float64);

        new ScaledGradient { Limiter = null }.AddTo(accumulator, step, 1, state);

        var factors = accumulator / step.Gradient;
        (factors - factors.narrow(1 - axis, 0, 1)).abs().max().ToDouble().Should().BeLessThan(1e-12);
        (factors - factors.narrow(axis, 0, 1)).abs().max().ToDouble().Should().BeGreaterThan(1e-3);
    }

    private static Tensor Expected(LowRankStep step, GradientScaling scaling, Compatibility compatibility, bool limited, bool scaleFirst, ref double? previous)
    {
        var (gradient, projection, inside, direction, correction) = step;
        var axis = projection.Left is null ? 1L : 0L;
        var factor = scaling == GradientScaling.Channel
            ? direction.pow(2).sum(axis, keepdim: true).sqrt() / (inside.pow(2).sum(axis, keepdim: true).sqrt() + 1e-8)
            : direction.pow(2).sum().sqrt() / (inside.pow(2).sum().sqrt() + 1e-8);
        var scaled = gradient * factor;
        if (scaleFirst)
            scaled *= Math.Sqrt(Scale);

        if (limited)
        {
            // The paper limits the step with bias correction, the authors' code before it.
            var norm = scaled.pow(2).sum().sqrt().ToDouble() * (compatibility == Compatibility.Paper ? correction : 1);
            var limit = previous is { } last ? Math.Max(norm / last, Growth) / Growth : 1;
            scaled /= limit;
            previous = norm / limit;
        }

        if (!scaleFirst)
            scaled *= Math.Sqrt(Scale);
        return Rate * correction * scaled;
    }

    private static LowRankStep Step(int rows, int columns, double size)
    {
        var gradient = size * Draw.Normal(rows, columns, 1);
        var sketch = Draw.Normal(Math.Min(rows, columns), 3, 2);
        var projection = rows < columns ? Projection.Of(sketch, null) : Projection.Of(null, sketch);
        var inside = projection.Project(gradient);
        return new(gradient, projection, inside, (inside * 0.7 + 0.2).tanh(), Correction);
    }
}
