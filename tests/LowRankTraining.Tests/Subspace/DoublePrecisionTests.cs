using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>float64 stays float64: every step against one in doubles, made from nothing but gradients and bases.</summary>
public class DoublePrecisionTests
{
    private const int Rows = 5, Columns = 9, Rank = 2, Steps = 12;
    private const double Rate = 0.0123, Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8, Gamma = 1.01;

    [Theory]
    [InlineData(0.25), InlineData(0.3), InlineData(0.7)]
    public void GaLores_steps_are_those_of_doubles(double scale) =>
        Compare(new ProjectBack { Scale = scale }, new WarmStartedBasis(), (g, p, r, n, c, _) => (i, j) => c * scale * Back(p, n, i, j));

    [Theory]
    [InlineData(0.25), InlineData(0.3)]
    public void Firas_steps_are_those_of_doubles(double scale) =>
        Compare(new ScaledResidual { Scale = scale }, new WarmStartedBasis(), (g, p, r, n, c, limiter) =>
        {
            var phi = Enumerable.Range(0, Columns).Select(j => Norm(n, j, Rank) / Math.Sqrt(Math.Pow(Norm(r, j, Rank), 2) + 1e-16)).ToArray();
            double Rest(int i, int j) => c * phi[j] * (g[i, j] - Back(p, r, i, j));
            var factor = limiter.Factor(Math.Sqrt(All().Sum(at => Math.Pow(Rest(at.I, at.J), 2))));
            return (i, j) => c * scale * Back(p, n, i, j) + factor * Rest(i, j);
        });

    [Theory]
    [InlineData(1), InlineData(1.7)]
    public void Apollos_steps_are_those_of_doubles(double scale) =>
        Compare(new ScaledGradient { Scale = scale }, new GaussianBasis(), (g, p, r, n, c, limiter) =>
        {
            double Scaled(int i, int j) => c * g[i, j] * Norm(n, j, Rank) / (Norm(r, j, Rank) + 1e-8);
            var factor = limiter.Factor(Math.Sqrt(All().Sum(at => Math.Pow(Scaled(at.I, at.J), 2))));
            return (i, j) => Math.Sqrt(scale) * factor * Scaled(i, j);
        });

    private delegate Func<int, int, double> Lifted(double[,] g, double[,] p, double[,] r, double[,] n, double c, Limiter limiter);

    private static void Compare(ILift lift, IBasis basis, Lifted lifted)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var seen = new SeenLift(lift);
        var rule = new SubspaceRule { Rank = Rank, Basis = basis, RefreshEvery = 5, Lift = seen };
        var (weight, expected) = (zeros(Rows, Columns, ScalarType.Float64), new double[Rows, Columns]);
        var (m, v, limiter) = (new double[Rank, Columns], new double[Rank, Columns], new Limiter());

        for (var t = 1; t <= Steps; t++)
        {
            var gradient = Draw.Normal(Rows, Columns, (ulong)t);
            rule.AddUpdate(gradient, weight, -Rate, state, new StepContext { Step = t, Parameter = "w" });

            var (g, p, r, n) = (Numbers(gradient), seen.Basis, new double[Rank, Columns], new double[Rank, Columns]);
            for (var k = 0; k < Rank; k++)
                for (var j = 0; j < Columns; j++)
                {
                    for (var i = 0; i < Rows; i++)
                        r[k, j] += p[i, k] * g[i, j];
                    m[k, j] = Beta1 * m[k, j] + (1 - Beta1) * r[k, j];
                    v[k, j] = Beta2 * v[k, j] + (1 - Beta2) * r[k, j] * r[k, j];
                    n[k, j] = m[k, j] / (Math.Sqrt(v[k, j]) + Epsilon * Math.Sqrt(1 - Math.Pow(Beta2, t)));
                }

            var step = lifted(g, p, r, n, Math.Sqrt(1 - Math.Pow(Beta2, t)) / (1 - Math.Pow(Beta1, t)), limiter);
            foreach (var (i, j) in All())
                expected[i, j] -= Rate * step(i, j);
        }

        var actual = Numbers(weight);
        All().Max(at => Math.Abs(actual[at.I, at.J] - expected[at.I, at.J])).Should().BeLessThan(1e-13 * All().Max(at => Math.Abs(expected[at.I, at.J])));
    }

    private static IEnumerable<(int I, int J)> All() => from i in Enumerable.Range(0, Rows) from j in Enumerable.Range(0, Columns) select (i, j);

    private static double Back(double[,] p, double[,] x, int i, int j) => Enumerable.Range(0, Rank).Sum(k => p[i, k] * x[k, j]);

    private static double Norm(double[,] x, int column, int rows) => Math.Sqrt(Enumerable.Range(0, rows).Sum(k => x[k, column] * x[k, column]));

    private static double[,] Numbers(Tensor matrix)
    {
        var numbers = new double[matrix.shape[0], matrix.shape[1]];
        Buffer.BlockCopy(matrix.contiguous().data<double>().ToArray(), 0, numbers, 0, sizeof(double) * numbers.Length);
        return numbers;
    }

    /// <summary>Growth of a norm by 1 % a step at most.</summary>
    private sealed class Limiter
    {
        private double _allowed = double.PositiveInfinity;

        public double Factor(double norm)
        {
            var factor = Math.Min(1, Gamma * Math.Max(_allowed, 1e-8) / norm);
            _allowed = norm * factor;
            return factor;
        }
    }

    private sealed class SeenLift(ILift inner) : ILift
    {
        public double[,] Basis { get; private set; } = new double[0, 0];

        public bool NeedsOneSide => inner.NeedsOneSide;

        public bool NeedsOrthonormalBasis => inner.NeedsOrthonormalBasis;

        public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
        {
            Basis = Numbers(lowRank.Projection.Left!);
            inner.AddTo(accumulator, lowRank, scale, state);
        }
    }
}
