using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>The projection of a gradient that is given by its factors, against that of the gradient that they make.</summary>
public class ProjectProductTests
{
    private const int Tokens = 17, Rows = 12, Columns = 9, Rank = 4;

    public static TheoryData<IBasis, ProjectionSide> EveryBasis
    {
        get
        {
            var data = new TheoryData<IBasis, ProjectionSide>();
            foreach (var basis in new IBasis[] { new WarmStartedBasis(), new GaussianBasis(), new CoordinateBasis(), new DctBasis() })
                foreach (var side in new[] { ProjectionSide.Left, ProjectionSide.Right, ProjectionSide.Both })
                    data.Add(basis, side);
            return data;
        }
    }

    [Theory]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(true, true, false)]
    [InlineData(true, false, true)]
    [InlineData(false, true, true)]
    [InlineData(true, true, true)]
    public void Product_is_projected_without_being_formed(bool left, bool right, bool picks)
    {
        using var scope = NewDisposeScope();
        Tensor rows = picks ? tensor(new long[] { 1, 4, 11 }) : Draw.Basis(Rows, Rank, 1),
            columns = picks ? tensor(new long[] { 0, 8 }) : Draw.Basis(Columns, Rank, 2);
        var projection = Projection.Of(left ? rows : null, right ? columns : null);
        var (delta, input) = (Draw.Normal(Tokens, Rows, 3), Draw.Normal(Tokens, Columns, 4));

        var projected = projection.ProjectProduct(delta, input);

        var gradient = delta.t().mm(input);
        var expected = left ? Dense(Rows, rows).t().mm(gradient) : gradient;
        Draw.Error(projected, right ? expected.mm(Dense(Columns, columns)) : expected).Should().BeLessThan(1e-14);
    }

    [Theory, MemberData(nameof(EveryBasis))]
    public void Rule_takes_factors_as_it_takes_their_product(IBasis basis, ProjectionSide side)
    {
        using var scope = NewDisposeScope();
        var rule = new SubspaceRule { Rank = Rank, Side = side, Basis = basis, Lift = new ProjectBack() };
        using StateBag whole = new(), factors = new();
        var (delta, input) = (Draw.Normal(Tokens, Rows, 3), Draw.Normal(Tokens, Columns, 4));
        var gradient = delta.t().mm(input);
        foreach (var state in new[] { whole, factors })
            rule.AddUpdate(gradient, zeros(Rows, Columns, ScalarType.Float64), -1, state, new() { Step = 1 });

        for (var batch = 0; batch < 2; batch++)
        {
            rule.TryAccumulate(gradient, whole, new() { Step = 2 }).Should().BeTrue();
            rule.TryAccumulateProduct(delta, input, factors, new() { Step = 2 }).Should().BeTrue();
        }

        Draw.Error(rule.AccumulatedIn(factors)!, rule.AccumulatedIn(whole)!).Should().BeLessThan(1e-14);
    }

    [Fact]
    public void Nothing_is_taken_where_the_whole_gradient_is_needed()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var (delta, input) = (Draw.Normal(Tokens, Rows, 3), Draw.Normal(Tokens, Columns, 4));
        var fira = new SubspaceRule { Rank = Rank, Lift = new ScaledResidual() };
        var galore = new SubspaceRule { Rank = Rank, RefreshEvery = 2 };

        galore.TryAccumulateProduct(delta, input, state, new() { Step = 1 }).Should().BeFalse("the first subspace is found from it");
        galore.AddUpdate(delta.t().mm(input), zeros(Rows, Columns, ScalarType.Float64), -1, state, new() { Step = 1 });

        galore.NeedsOnlyProjection(state, new() { Step = 2 }).Should().BeTrue();
        fira.NeedsOnlyProjection(state, new() { Step = 2 }).Should().BeFalse();
        fira.TryAccumulateProduct(delta, input, state, new() { Step = 2 }).Should().BeFalse("the residual is made of it");
        new AdamRule().TryAccumulateProduct(delta, input, state, new() { Step = 2 }).Should().BeFalse();
        state.Tensors.Should().NotContainKey("accumulated");
    }

    private static Tensor Dense(long length, Tensor basis)
    {
        if (basis.dim() == 2)
            return basis;
        var ones = zeros(length, basis.shape[0], ScalarType.Float64);
        foreach (var (row, column) in basis.data<long>().ToArray().Select((row, column) => (row, column)))
            ones[row, column] = 1.0;
        return ones;
    }
}
