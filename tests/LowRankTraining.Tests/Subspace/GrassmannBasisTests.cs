using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class GrassmannBasisTests
{
    [Theory]
    [InlineData(0.3, true)]
    [InlineData(1.0, true)]
    [InlineData(0.002, false)]
    public void Rotation_is_the_one_along_the_leading_direction_of_the_tangent(double stepSize, bool normalized)
    {
        using var scope = NewDisposeScope();
        var (matrix, basis) = (Draw.Normal(9, 14, 1), Draw.Basis(9, 3, 2));
        var inside = basis.t().mm(matrix);
        var tangent = -2 * (matrix - basis.mm(inside)).mm(inside.t());
        if (normalized)
            tangent = tangent / matrix.pow(2).sum();
        var (u, sigma, vh) = linalg.svd(tangent, fullMatrices: false);
        var (direction, across, angle) = (vh.narrow(0, 0, 1).t(), u.narrow(1, 0, 1), sigma[0].ToDouble() * stepSize);
        var along = basis.mm(direction);
        var expected = (along * Math.Cos(angle) - across * Math.Sin(angle)).mm(direction.t()) + basis - along.mm(direction.t());

        var found = new GrassmannBasis { StepSize = stepSize, Normalized = normalized }.Find(BasesTests.Query(matrix, 3, basis));

        angle.Should().BeInRange(0.01, Math.PI / 2);
        Draw.Error(found, expected).Should().BeLessThan(1e-9);
    }

    [Fact]
    public void Angle_is_never_more_than_a_right_one()
    {
        using var scope = NewDisposeScope();
        var (matrix, basis) = (Draw.Normal(9, 14, 1), Draw.Basis(9, 3, 2));
        var inside = basis.t().mm(matrix);
        var (u, _, vh) = linalg.svd((matrix - basis.mm(inside)).mm(inside.t()), fullMatrices: false);

        var found = new GrassmannBasis { StepSize = 1e6 }.Find(BasesTests.Query(matrix, 3, basis));

        found.t().mm(u.narrow(1, 0, 1)).norm().ToDouble().Should().BeApproximately(1, 1e-6, "the direction across is inside now");
        found.t().mm(basis.mm(vh.narrow(0, 0, 1).t())).norm().ToDouble().Should().BeLessThan(1e-6, "the direction along has been left");
    }

    [Theory]
    [InlineData(8, 14)]
    [InlineData(14, 8)]
    [InlineData(10, 10)]
    public void Every_step_captures_more_of_a_gradient_that_stays(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var spy = new SpyLift();
        var rule =
            new SubspaceRule { Rank = 3, RefreshEvery = 1, Basis = new GrassmannBasis { StepSize = 0.3 }, Lift = spy, OnRefresh = MomentCarryOver.Rotate };
        using var state = new StateBag();
        var (start, goal) = (Draw.Normal(rows, columns, 1), Draw.WithSingularValues(rows, columns, 2, 5, 4, 3, 1, 0.5));

        for (var step = 1; step <= 30; step++)
            rule.AddUpdate(step == 1 ? start : goal, zeros(rows, columns, ScalarType.Float64), -0.1, state, new StepContext { Step = step });

        var captured = spy.Projections.ConvertAll(projection => projection.Project(goal).square().sum().ToDouble());
        captured.Should().BeInAscendingOrder();
        captured[^1].Should().BeGreaterThan(1.3 * captured[0]);
        spy.Projections.Should().OnlyContain(projection => Draw.Departure(projection.Left ?? projection.Right!) < 1e-10);
    }
}
