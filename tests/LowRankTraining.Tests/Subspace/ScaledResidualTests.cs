using FluentAssertions;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class ScaledResidualTests
{
    /// <summary>The two-product form against the definition, with the residual written out in double precision.</summary>
    [Theory]
    [InlineData(20, 30, Compatibility.Paper)]
    [InlineData(30, 20, Compatibility.Paper)]
    [InlineData(20, 30, Compatibility.ReferenceCode)]
    [InlineData(30, 20, Compatibility.ReferenceCode)]
    public void Update_is_the_one_of_the_definition(int rows, int columns, Compatibility compatibility)
    {
        using var scope = NewDisposeScope();
        const double Alpha = 0.25, Kappa = 0.7, Correction = 0.3;
        var lift = new ScaledResidual { Scale = Alpha, ResidualScale = Kappa, Limiter = null, Compatibility = compatibility };
        var step = Draw(rows, columns, Correction);
        var accumulator = zeros(rows, columns);
        using var state = new StateBag();

        var expected = Definition(step, Alpha, Kappa, compatibility == Compatibility.Paper ? 1 : Alpha) * (-0.1 * Correction);

        lift.AddTo(accumulator, step, -0.1, state);

        (accumulator - expected).abs().max().ToDouble().Should().BeLessThan(2e-6 * expected.abs().max().ToDouble());
    }

    [Fact]
    public void Residual_is_orthogonal_to_the_subspace()
    {
        using var scope = NewDisposeScope();
        var lift = new ScaledResidual { Scale = 1e-30, Limiter = null };
        var step = Draw(20, 30, 1);
        var accumulator = zeros(20, 30);
        using var state = new StateBag();

        lift.AddTo(accumulator, step, 1, state);

        step.Projection.Left!.t().mm(accumulator).abs().max().ToDouble().Should().BeLessThan(1e-5 * accumulator.abs().max().ToDouble());
    }

    [Fact]
    public void Limiter_sees_the_norm_of_the_residual()
    {
        using var scope = NewDisposeScope();
        var lift = new ScaledResidual { Scale = 0.25, Limiter = new NormGrowthLimiter() };
        var step = Draw(20, 30, 0.3);
        using var state = new StateBag();

        var residual = Definition(step, 0, 1, 1) * 0.3;

        lift.AddTo(zeros(20, 30), step, -0.1, state);

        state["limiter_norm"].ToDouble().Should().BeApproximately(residual.norm().ToDouble(), 1e-5 * residual.norm().ToDouble());
    }

    [Fact]
    public void Without_anything_outside_the_subspace_the_step_is_projected_back()
    {
        using var scope = NewDisposeScope();
        var basis = Orthonormal.Columns(Normal(6, 6, 1));
        var gradient = Normal(6, 9, 2);
        var projection = Projection.Of(basis, null);
        var inside = projection.Project(gradient);
        var step = new LowRankStep(gradient, projection, inside, inside.sign(), 1);
        Tensor withResidual = zeros(6, 9), without = zeros(6, 9);
        using var state = new StateBag();

        new ScaledResidual().AddTo(withResidual, step, -0.1, state);
        new ProjectBack().AddTo(without, step, -0.1, state);

        withResidual.allclose(without, 0, 0).Should().BeTrue();
    }

    /// <summary>N is what is left of earlier gradients, and no measure of this one.</summary>
    [Theory]
    [InlineData(ScalarType.Float32), InlineData(ScalarType.Float64)]
    public void Column_of_which_the_subspace_holds_nothing_takes_the_step_inside_alone(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var (axes, gradient) = (eye(6, dtype: dtype), zeros(6, 2, dtype: dtype));
        (gradient[4, 0], gradient[0, 1], gradient[4, 1]) = (tensor(3.0, dtype), tensor(0.5, dtype), tensor(2.0, dtype));
        var projection = Projection.Of(axes.narrow(1, 0, 2).contiguous(), null);
        var step = new LowRankStep(gradient, projection, projection.Project(gradient), ones(2, 2, dtype: dtype), 1);
        var update = zeros(6, 2, dtype: dtype);
        using var state = new StateBag();

        new ScaledResidual { Scale = 0.25 }.AddTo(update, step, 1, state);

        update[4, 0].ToDouble().Should().Be(0);
        update[0, 0].ToDouble().Should().Be(0.25);
        update[4, 1].ToDouble().Should().BeApproximately(2 * Math.Sqrt(2) / 0.5, 1e-5);
    }

    private static Tensor Definition(LowRankStep step, double alpha, double kappa, double removed)
    {
        var (gradient, projection, inside, direction, _) = step;
        var factor = direction.norm(projection.RankAxis, keepdim: true) / inside.norm(projection.RankAxis, keepdim: true);
        var residual = (gradient - removed * Back(projection, inside)) * factor;
        return alpha * Back(projection, direction) + kappa * residual;
    }

    private static Tensor Back(Projection projection, Tensor lowRank) =>
        projection.Left is { } left ? left.mm(lowRank) : lowRank.mm(projection.Right!.t());

    private static LowRankStep Draw(int rows, int columns, double correction)
    {
        var gradient = Normal(rows, columns, 1);
        var basis = Orthonormal.Columns(Normal(Math.Min(rows, columns), 5, 2));
        var projection = rows < columns ? Projection.Of(basis, null) : Projection.Of(null, basis);
        var inside = projection.Project(gradient);
        return new LowRankStep(gradient, projection, inside, inside.tanh(), correction);
    }

    private static Tensor Normal(long rows, long columns, ulong seed)
    {
        using var generator = new Generator(seed, CPU);
        return randn(rows, columns, generator: generator);
    }
}
