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

public class GumTests
{
    private const int Rank = 3, Every = 4;

    /// <summary>Algorithm 2 with its factors 1/q and 1/(1 − q), written in the whole space, where signs of basis vectors do not matter.</summary>
    [Theory]
    [InlineData(6, 10), InlineData(10, 6), InlineData(7, 7)]
    public void Updates_follow_algorithm_2(int rows, int columns)
    {
        const double Rate = 0.01, Momentum = 0.9, Share = 0.4;
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(rows, columns, ScalarType.Float64));
        using var optimizer = new Gum
        {
            Rank = Rank,
            RefreshEvery = Every,
            OutsideShare = Share,
            Momentum = Momentum,
            NewtonSchulzSteps = null,
            Basis = new ExactSvdBasis(),
        }.Attach([("w", weight)]).CreateOptimizer(Rate);
        var expected = Matrix<double>.Build.Dense(rows, columns);
        var moment = Matrix<double>.Build.Dense(rows, columns);
        Matrix<double> inside = moment;
        var turns = new HashSet<bool>();

        for (var t = 1; t <= 10 * Every; t++)
        {
            var gradient = Draw.Normal(rows, columns, (ulong)t);
            weight.grad = gradient;
            optimizer.step();

            // Whether the matrix has its turn outside is the library's draw; the momentum of that time is as large as the matrix.
            var isOutside = MomentumOf(optimizer).numel() == rows * columns;
            turns.Add(isOutside);
            var g = Matrix<double>.Build.DenseOfRowMajor(rows, columns, Recomputed.Entries(gradient));
            if ((t - 1) % Every == 0)
            {
                var svd = g.Svd();
                var basis = rows < columns ? svd.U.SubMatrix(0, rows, 0, Rank) : svd.VT.SubMatrix(0, Rank, 0, columns).Transpose();
                (inside, moment) = (basis * basis.Transpose(), Matrix<double>.Build.Dense(rows, columns));
            }

            var projected = rows < columns ? inside * g : g * inside;
            moment = Momentum * moment + (isOutside ? (g - projected) / Share : projected / (1 - Share));
            expected -= Rate * 0.2 * Math.Sqrt(Math.Max(rows, columns)) * Polar(moment, isOutside ? Math.Min(rows, columns) : Rank);
        }

        turns.Should().HaveCount(2, "both cases are to be seen");
        Draw.Error(weight, tensor(expected.ToRowMajorArray()).reshape(rows, columns)).Should().BeLessThan(1e-7);
    }

    [Theory]
    [InlineData(0.1), InlineData(0.25), InlineData(0.7)]
    public void Share_of_the_matrices_has_its_turn_outside_and_another_share_later(double share)
    {
        const int Matrices = 400;
        using var scope = NewDisposeScope();
        var weights = Enumerable.Range(0, Matrices).Select(i => ($"layers.{i}.weight", new Parameter(zeros(4, 6)))).ToArray();
        using var optimizer = new Gum { Rank = 2, RefreshEvery = 1, OutsideShare = share }.Attach(weights).CreateOptimizer();

        var (first, second) = (AtTurn(), AtTurn());

        first.Count(turn => turn).Should().BeInRange((int)(share * Matrices - 40), (int)(share * Matrices + 40));
        first.Zip(second).Count(pair => pair.First && pair.Second).Should()
            .BeInRange((int)(share * share * Matrices - 40), (int)(share * share * Matrices + 40), "periods are drawn independently");

        bool[] AtTurn()
        {
            foreach (var (_, weight) in weights)
                weight.grad = Draw.Normal(4, 6, 1).to(ScalarType.Float32);
            optimizer.step();
            return [.. weights.Select(weight => optimizer.StateOf(weight.Item2)["momentum_buffer"].numel() == 24)];
        }
    }

    /// <summary>What rounding leaves of a gradient inside, where it has no part, must not become a full step.</summary>
    [Fact]
    public void Exact_step_outside_has_no_part_inside()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new GumRule
        {
            Rank = Rank,
            Every = Every,
            OutsideShare = 1,
            Basis = new ExactSvdBasis(),
            Polar = new() { NewtonSchulzSteps = null, Nesterov = false },
        };
        var gradient = Draw.WithSingularValues(24, 40, 3, [1e3, 5e2, 2e2, .. Enumerable.Range(1, 21).Select(i => 1e-2 / i)]).to(ScalarType.Float32);
        var update = zeros(24, 40);

        rule.AddUpdate(gradient, update, 1, state, new StepContext { Step = 1, Parameter = "w" });

        var inside = state["basis"].t().mm(update);
        inside.norm().ToDouble().Should().BeLessThan(1e-3 * update.norm().ToDouble());
        update.norm().ToDouble().Should().BeApproximately(0.2 * Math.Sqrt(40) * Math.Sqrt(21), 0.1);
    }

    /// <summary>A polar factor has no size: rounding noise would become a full step.</summary>
    [Theory]
    [InlineData(5, 3, null), InlineData(5, 3, 5), InlineData(8, 3, 5), InlineData(8, 8, 5)]
    public void Nothing_outside_makes_no_step(int rank, int gradientRank, int? steps)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new GumRule
        {
            Rank = rank,
            Every = Every,
            OutsideShare = 1,
            Basis = new ExactSvdBasis(),
            Polar = new() { NewtonSchulzSteps = steps, Nesterov = false },
        };
        var gradient = Draw.Normal(8, gradientRank, 5).mm(Draw.Normal(gradientRank, 12, 6)).to(ScalarType.Float32);
        var update = zeros(8, 12);

        rule.AddUpdate(gradient, update, 1, state, new StepContext { Step = 1, Parameter = "w" });

        if (rank < 8)
            update.eq(0).all().ToBoolean().Should().BeTrue();
        else
            update.norm().ToDouble().Should().BeGreaterThan(0.5, "the subspace is all there is, and the matrix is never outside");
    }

    [Fact]
    public void Basis_that_is_not_orthonormal_is_refused() =>
        FluentActions.Invoking(() => Checks.Require(new Gum { Basis = new GaussianBasis() }))
            .Should().Throw<Microsoft.Extensions.Options.OptionsValidationException>().WithMessage("*Gum.Basis is GaussianBasis, which is not orthonormal*");

    private static Tensor MomentumOf(LowRankOptimizer optimizer) => optimizer.StateOf(optimizer.Session.Parameters[0].Parameter)["momentum_buffer"];

    private static Matrix<double> Polar(Matrix<double> x, int rank)
    {
        // Outside, directions of the subspace have no part in the momentum, nor in its polar factor.
        var svd = x.Svd();
        var kept = Enumerable.Range(0, rank).Count(i => svd.S[i] > 1e-9 * svd.S[0]);
        return svd.U.SubMatrix(0, x.RowCount, 0, kept) * svd.VT.SubMatrix(0, kept, 0, x.ColumnCount);
    }
}
