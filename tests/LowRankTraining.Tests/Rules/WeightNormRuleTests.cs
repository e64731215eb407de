using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class WeightNormRuleTests
{
    private const double Beta1 = 0.8, Beta2 = 0.9, Epsilon = 1e-6, Rate = 0.05;

    private static readonly AdamRule Adam = new() { Beta1 = Beta1, Beta2 = Beta2, Epsilon = Epsilon };

    [Fact]
    public void Gradients_are_those_of_magnitude_times_direction()
    {
        using var scope = NewDisposeScope();
        var (weight, gradient, seen) = (Draw.Normal(5, 7, 1), Draw.Normal(5, 7, 2), new Recorder());
        using var state = new StateBag();

        new WeightNormRule { Direction = seen, Magnitude = Adam }.AddUpdate(gradient, weight.clone(), -Rate, state, Context(1, weight));

        var (ofMagnitude, ofDirection) = ByAutograd(weight, gradient);
        Draw.Error(seen.Gradient!, ofDirection).Should().BeLessThan(1e-12);
        Draw.Error(state["magnitude_exp_avg"] / (1 - Beta1), ofMagnitude).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Three_steps_follow_the_equations()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new WeightNormRule { Direction = Adam, Magnitude = Adam };
        Tensor actual = Draw.Normal(5, 7, 1), expected = actual.clone();
        var direction = new Moments(zeros(5, 7, ScalarType.Float64));
        var magnitude = new Moments(zeros(5, 1, ScalarType.Float64));

        for (var t = 1; t <= 3; t++)
        {
            var gradient = Draw.Normal(5, 7, (ulong)t + 1);
            rule.AddUpdate(gradient, actual, -Rate, state, Context(t, actual));

            var (ofMagnitude, ofDirection) = ByAutograd(expected, gradient);
            var g = expected.pow(2).sum(1L, keepdim: true).sqrt() - Rate * magnitude.Step(ofMagnitude, t);
            var v = expected - Rate * direction.Step(ofDirection, t);
            expected = g * v / v.pow(2).sum(1L, keepdim: true).sqrt();

            Draw.Error(actual, expected).Should().BeLessThan(1e-12);
        }
    }

    [Fact]
    public void Row_of_zeros_stays_zero()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var weight = Draw.Normal(4, 6, 1);
        weight.select(0, 2).zero_();

        for (var t = 1; t <= 5; t++)
            new WeightNormRule { Direction = Adam, Magnitude = Adam }.AddUpdate(Draw.Normal(4, 6, (ulong)t), weight, -Rate, state, Context(t, weight));

        weight.select(0, 2).abs().max().ToDouble().Should().Be(0);
        weight.abs().max().ToDouble().Should().BeGreaterThan(0);
    }

    private static StepContext Context(long step, Tensor weight) => new() { Step = step, Weight = weight };

    private static (Tensor OfMagnitude, Tensor OfDirection) ByAutograd(Tensor weight, Tensor gradient)
    {
        using var _ = enable_grad();
        var v = weight.clone().detach().requires_grad_(true);
        var g = weight.pow(2).sum(1L, keepdim: true).sqrt().detach().requires_grad_(true);
        (g * v / v.pow(2).sum(1L, keepdim: true).sqrt() * gradient).sum().backward();
        return (g.grad!, v.grad!);
    }

    /// <summary>Adam as published.</summary>
    private sealed class Moments(Tensor zero)
    {
        private Tensor _mean = zero, _square = zero;

        public Tensor Step(Tensor gradient, int t)
        {
            _mean = Beta1 * _mean + (1 - Beta1) * gradient;
            _square = Beta2 * _square + (1 - Beta2) * gradient.pow(2);
            return _mean / (1 - Math.Pow(Beta1, t)) / ((_square / (1 - Math.Pow(Beta2, t))).sqrt() + Epsilon);
        }
    }

    /// <summary>Keeps the gradient and does nothing.</summary>
    private sealed record Recorder : UpdateRule
    {
        public Tensor? Gradient { get; private set; }

        public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step) =>
            Gradient = gradient.clone().MoveToOuterDisposeScope();
    }
}
