using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class ErrorFeedbackTests
{
    private const double Beta1 = 0.908, Beta2 = 0.99, Epsilon = 1e-8, Share = 0.8;

    /// <summary>Robert et al., algorithm 1, written for a left projection; a right one is the same of the transposes.</summary>
    [Theory]
    [InlineData(6, 9, true)]
    [InlineData(9, 6, true)]
    [InlineData(6, 9, false)]
    [InlineData(9, 6, false)]
    public void LDAdam_follows_its_equations(int rows, int columns, bool feedback)
    {
        using var scope = NewDisposeScope();
        const int Rank = 2;
        using var weight = new Parameter(zeros(rows, columns, ScalarType.Float64));
        using var session = new LDAdam { Rank = Rank, Share = Share, Feedback = feedback ? StateFormat.Float32 : null }.Attach([("weight", weight)]);
        var rule = session.Parameters.Single().Rule;
        using var state = new StateBag();
        var actual = zeros(rows, columns, ScalarType.Float64);
        var (s, l) = (Math.Min(rows, columns), Math.Max(rows, columns));
        Tensor basis = zeros(s, Rank, ScalarType.Float64), mean = zeros(Rank, l, ScalarType.Float64), square = zeros(Rank, l, ScalarType.Float64);
        Tensor error = zeros(s, l, ScalarType.Float64), expected = zeros(s, l, ScalarType.Float64);

        for (var t = 0; t < 4; t++)
        {
            var drawn = Draw.Normal(s, l, (ulong)t + 1);
            rule.AddUpdate(rows < columns ? drawn : drawn.t().contiguous(), actual, -0.5, state, new StepContext { Step = t + 1 });

            var gradient = drawn + error;
            var (weight1, weight2) = (1 - Math.Pow(Beta1, t), 1 - Math.Pow(Beta2, t));
            var next = t == 0
                ? linalg.svd(gradient, fullMatrices: false).U.narrow(1, 0, Rank)
                : Positive(Share * basis.mm(mean) / weight1 + (1 - Share) * gradient, basis);
            var inside = next.t().mm(gradient);
            var overlap = next.t().mm(basis);
            var turned = overlap.mm(mean);
            if (feedback)
                error = gradient - next.mm(inside) + Beta1 / (1 - Beta1) * (basis.mm(mean) - next.mm(turned));
            if (t > 0)
                square = weight2 * (overlap.pow(2).mm(square / weight2 - (mean / weight1).pow(2)) + (turned / weight1).pow(2)).abs();

            mean = Beta1 * turned + (1 - Beta1) * inside;
            square = Beta2 * square + (1 - Beta2) * inside.pow(2);
            var direction = mean / (1 - Math.Pow(Beta1, t + 1)) / ((square / (1 - Math.Pow(Beta2, t + 1))).sqrt() + Epsilon);
            expected -= 0.5 * next.mm(direction);
            basis = next;

            Draw.Error(rows < columns ? actual : actual.t(), expected).Should().BeLessThan(1e-6);
        }
    }

    /// <summary>With steps that are linear in the gradient, nothing is lost: what was applied, what the momentum will still apply, and the error add up to
    /// the gradients.</summary>
    [Theory]
    [InlineData(0.0, ProjectionSide.Left, 1)]
    [InlineData(0.0, ProjectionSide.Right, 3)]
    [InlineData(0.6, ProjectionSide.Left, 1)]
    [InlineData(0.6, ProjectionSide.Right, 3)]
    public void Nothing_of_the_gradients_is_lost(double momentum, ProjectionSide side, int every)
    {
        using var scope = NewDisposeScope();
        var rule = new SubspaceRule
        {
            Rank = 2, Side = side, RefreshEvery = every, Inner = new MovingAverage(momentum), Lift = new ProjectBack { Scale = 1 },
            OnRefresh = MomentCarryOver.Rotate, Feedback = StateFormat.Float32,
        };
        using var state = new StateBag();
        Tensor applied = zeros(6, 9, ScalarType.Float64), sum = zeros(6, 9, ScalarType.Float64);

        for (var step = 1; step <= 8; step++)
        {
            var gradient = Draw.Normal(6, 9, (ulong)step);
            rule.AddUpdate(gradient, applied, 1, state, new StepContext { Step = step });
            sum += gradient;

            var moment = side == ProjectionSide.Left ? state["basis"].mm(state["average"]) : state["average"].mm(state["basis"].t());
            Draw.Error(applied + state["error"] + momentum / (1 - momentum) * moment, sum).Should().BeLessThan(1e-12);
        }
    }

    [Fact]
    public void Gradient_itself_is_left_as_it_was()
    {
        using var scope = NewDisposeScope();
        var rule = new SubspaceRule { Rank = 2, RefreshEvery = 1, OnRefresh = MomentCarryOver.ProjectionAware, Feedback = StateFormat.Float32 };
        using var state = new StateBag();
        var gradient = Draw.Normal(6, 9, 1);
        var before = gradient.clone();

        for (var step = 1; step <= 3; step++)
            rule.AddUpdate(gradient, zeros(6, 9, ScalarType.Float64), -0.1, state, new StepContext { Step = step });

        Draw.Error(gradient, before).Should().Be(0);
    }

    /// <summary>The unique orthonormal basis of B Bᵀ P whose triangular factor has a positive diagonal.</summary>
    private static Tensor Positive(Tensor matrix, Tensor basis)
    {
        var (columns, triangular) = linalg.qr(matrix.mm(matrix.t().mm(basis)));
        return columns * triangular.diagonal().sign();
    }

    /// <summary>M ← μM + (1 − μ)G, and a step of M.</summary>
    private sealed record MovingAverage(double Decay) : DirectionRule
    {
        private MomentSlot Average => new("average", 1, Decay);

        public override IReadOnlyList<MomentSlot> Moments => [Average];

        public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
        {
            var average = Average.Read(state, gradient).mul_(Decay).add_(gradient, 1 - Decay);
            Average.Write(state, average, step);
            return (average.clone(), 1);
        }
    }
}
