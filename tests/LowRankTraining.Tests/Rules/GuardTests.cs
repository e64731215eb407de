using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class SpikeGuardTests
{
    [Fact]
    public void Factor_grows_back_after_a_reset()
    {
        var guard = new SpikeGuard { ResetEvery = 500, WarmupAfterReset = 150 };

        guard.WarmupFactor(1).Should().Be(1);
        guard.WarmupFactor(499).Should().Be(1);
        guard.WarmupFactor(500).Should().BeApproximately(0.01, 1e-12);
        guard.WarmupFactor(575).Should().BeApproximately(1 - 0.99 * (1 + Math.Cos(Math.PI * 75 / 151)) / 2, 1e-12);
        guard.WarmupFactor(650).Should().Be(1);
        guard.WarmupFactor(1000).Should().BeApproximately(0.01, 1e-12);
    }

    /// <summary>Against Adam with the cut and the reset written out, in double precision; one spike before the clip is on, one after.</summary>
    [Fact]
    public void Spikes_are_cut_at_the_corrected_second_moment()
    {
        using var scope = NewDisposeScope();
        const double Threshold = 3, Rate = 0.1;
        var guard = new SpikeGuard { Threshold = Threshold, ResetEvery = 8, WarmupAfterReset = 2, ClipStart = 3 };
        var rule = new GuardedRule(new AdamRule { Beta2 = 0.9 }, guard);
        using var state = new StateBag();
        var weight = zeros(2, 2, ScalarType.Float64);
        double[] m = new double[4], v = new double[4], expected = new double[4];
        var (age, cut) = (0, 0);

        for (var k = 1; k <= 14; k++)
        {
            var gradient = Recomputed.Gradient(k, 2, 2);
            if (k is 2 or 6)
                gradient[0, 1] = -200;
            var g = Recomputed.Entries(gradient);
            var given = gradient.clone();
            rule.AddUpdate(gradient, weight, -Rate, state, new StepContext { Step = k });
            gradient.allclose(given, 0, 0).Should().BeTrue("the gradient belongs to the parameter");

            if (k % 8 == 0)
                (m, v, age) = (new double[4], new double[4], 0);
            for (var i = 0; i < 4; i++)
            {
                var limit = age == 0 ? double.PositiveInfinity : Threshold * v[i] / (1 - Math.Pow(0.9, age));
                if (k >= 3 && k % 8 >= 3 && g[i] * g[i] > limit)
                    (g[i], cut) = (Math.Sign(g[i]) * Math.Sqrt(limit), cut + 1);
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.9 * v[i] + 0.1 * g[i] * g[i];
            }

            age++;
            var factor = k == 8 ? 0.01 : k == 9 ? 1 - 0.99 * (1 + Math.Cos(Math.PI / 3)) / 2 : 1;
            for (var i = 0; i < 4; i++)
                expected[i] -= Rate * factor * m[i] / (1 - Math.Pow(0.9, age)) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.9, age))) + 1e-8);
        }

        cut.Should().BeGreaterThan(1);
        Recomputed.Entries(weight).Should().Equal(expected, (a, b) => Math.Abs(a - b) < 1e-12);
    }

    [Theory]
    [InlineData(Compatibility.Paper, 1.0)]
    [InlineData(Compatibility.ReferenceCode, 0.0)]
    public void Entry_without_history_is_cut_by_the_authors_only(Compatibility compatibility, double kept)
    {
        using var scope = NewDisposeScope();
        var guard = new SpikeGuard { ClipStart = 0, Compatibility = compatibility };
        var rule = new AdamRule();
        using var state = new StateBag();
        rule.AddUpdate(tensor(new[] { 1.0, 0.0 }), zeros(2, ScalarType.Float64), -1, state, new StepContext { Step = 1 });

        var (gradient, _) = guard.Apply(tensor(new[] { 1.0, 1.0 }), rule, state, new StepContext { Step = 2 });

        Recomputed.Entries(gradient).Should().Equal(1.0, kept);
    }

    public static TheoryData<DirectionRule> WithoutSecondMoment => [new SgdRule(), new LionRule(), new AdafactorRule()];

    [Theory, MemberData(nameof(WithoutSecondMoment))]
    public void Rule_without_second_moment_is_refused_before_training(DirectionRule inner)
    {
        var check = () => Checks.Require(new GaLore { Inner = inner, Guard = new SpikeGuard() });

        check.Should().Throw<OptionsValidationException>().WithMessage("*SpikeGuard*second moment*");
    }

    [Fact]
    public void Guard_works_inside_a_subspace()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(6, 8));
        using var plain = new Parameter(zeros(6, 8));
        using var guarded = Make(weight, new SpikeGuard { ClipStart = 2, Threshold = 10 });
        using var unguarded = Make(plain, null);

        for (var t = 1; t <= 6; t++)
        {
            var gradient = Recomputed.Gradient(t, 6, 8).to_type(ScalarType.Float32) * (t == 5 ? 1e4 : 1);
            (weight.grad, plain.grad) = (gradient.clone(), gradient.clone());
            guarded.step();
            unguarded.step();
        }

        var largest = guarded.StateOf(weight)["exp_avg_sq"].max().ToDouble();
        largest.Should().BeLessThan(unguarded.StateOf(plain)["exp_avg_sq"].max().ToDouble() / 1000, "the spike did not get into the second moment");
    }

    private static LowRankOptimizer Make(Parameter weight, ISpikeGuard? guard) =>
        new GaLore { Rank = 3, Guard = guard }.Attach([("weight", weight)]).CreateOptimizer(lr: 0.01);
}

public class StabilityGuardTests
{
    /// <summary>AdaClip, AdaGN and MoRet written out in double precision, with fresh moments at a reset and averages that go on.</summary>
    [Fact]
    public void Gradients_are_tamed_as_published()
    {
        using var scope = NewDisposeScope();
        var schedule = new MomentumSchedule { TotalSteps = 10 };
        var rule = new GuardedRule(
            new AdamRule { MomentumSchedule = schedule },
            new StabilityGuard { ClipDecay = 0.9, ResetEvery = 5, MomentumSchedule = schedule });
        using var state = new StateBag();
        var weight = zeros(2, 3, ScalarType.Float64);
        double[] m = new double[6], v = new double[6], expected = new double[6];
        double largest = 0, norm = 0, square = 0;
        var (age, cut) = (0, 0);

        for (var k = 1; k <= 14; k++)
        {
            var gradient = Recomputed.Gradient(k, 2, 3) * (k == 7 ? 50 : 1);
            var g = Recomputed.Entries(gradient);
            rule.AddUpdate(gradient, weight, -0.1, state, new StepContext { Step = k });

            var s = k > 10 ? 0.5 : 0.5 + 0.5 * (1 + Math.Cos(Math.PI * k / 11)) / 2;
            var peak = g.Max(Math.Abs);
            largest = 0.9 * largest + 0.1 * peak;
            var usual = largest / (1 - Math.Pow(0.9, k));
            cut += g.Count(value => Math.Abs(value) > usual);
            g = [.. g.Select(value => Math.Abs(value) > usual ? value / peak * usual : value)];

            var n = Math.Sqrt(g.Sum(value => value * value));
            norm = 0.7 * s * norm + (1 - 0.7 * s) * n;
            square = 0.9 * square + 0.1 * n * n;
            var target = norm / (1 - Math.Pow(0.7 * s, k)) / (Math.Sqrt(square / (1 - Math.Pow(0.9, k))) + 1e-8);

            if (k % 5 == 0)
                (m, v, age) = (new double[6], new double[6], 0);
            age++;
            for (var i = 0; i < 6; i++)
            {
                m[i] = 0.9 * s * m[i] + (1 - 0.9 * s) * g[i] / n * target;
                v[i] = 0.999 * v[i] + 0.001 * Math.Pow(g[i] / n * target, 2);
                expected[i] -= 0.1 * m[i] / (1 - Math.Pow(0.9 * s, age)) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, age))) + 1e-8);
            }
        }

        cut.Should().BeGreaterThan(1);
        Recomputed.Entries(weight).Should().Equal(expected, (a, b) => Math.Abs(a - b) < 1e-9);
    }

    [Fact]
    public void Zero_gradient_stays_zero()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();

        var (gradient, factor) = new StabilityGuard().Apply(zeros(3, 4), new AdamRule(), state, new StepContext { Step = 1 });

        Recomputed.Entries(gradient).Should().OnlyContain(value => value == 0);
        factor.Should().Be(1);
    }

    [Fact]
    public void Bytes_are_Adams_and_three_scalars()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(6, 8));
        using var optimizer = new StableSpam().Attach([("weight", weight)]).CreateOptimizer();
        weight.grad = ones(6, 8);

        optimizer.step();

        optimizer.StateBytes.Should().Be(4 * (2 * 6 * 8 + 3));
    }
}

public class SpamTests
{
    [Fact]
    public void Sparse_momentum_keeps_its_share_of_the_short_side()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(8, 20));
        using var optimizer = new Spam { Density = 0.25, ResetEvery = 4, WarmupAfterReset = 1, ClipStart = 1 }.Attach([("weight", weight)]).CreateOptimizer();
        var touched = new List<long>();

        for (var t = 1; t <= 8; t++)
        {
            weight.grad = Recomputed.Gradient(t, 8, 20).to_type(ScalarType.Float32);
            optimizer.step();
            touched.Add((weight.detach().abs().sum(1L) > 0).sum().ToInt64());
        }

        optimizer.StateBytes.Should().Be(4 * 2 * 2 * 20 + 2 * sizeof(long));
        touched.Take(3).Should().OnlyContain(rows => rows == 2, "two rows of eight are trained until the moments are reset");
        touched[3].Should().BeGreaterThan(2, "then other rows are drawn");
        optimizer.Refreshes.Should().Be(3);
    }

    [Fact]
    public void Violations_are_listed_together()
    {
        var make = () => Checks.Require(new Spam { Threshold = 0, Density = 2, WarmupAfterReset = -1 });

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(3);
    }
}
