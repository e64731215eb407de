using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class BasesTests
{
    [Fact]
    public void Gram_matrix_gives_the_subspace_of_the_exact_decomposition()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(12, 20, 1, 9, 7, 5, 2, 1, 0.5);

        var gram = new GramBasis().Find(Query(matrix, 3));

        Draw.Departure(gram).Should().BeLessThan(1e-12);
        Draw.Angle(gram, linalg.svd(matrix, fullMatrices: false).U.narrow(1, 0, 3)).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Cosine_columns_are_those_of_the_formula()
    {
        using var scope = NewDisposeScope();
        const int Length = 7;

        var columns = new DctBasis().Columns(arange(Length, ScalarType.Int64), Length, ScalarType.Float64);

        for (var j = 0; j < Length; j++)
            for (var i = 0; i < Length; i++)
                columns[j, i].ToDouble().Should()
                    .BeApproximately(Math.Sqrt((i == 0 ? 1.0 : 2.0) / Length) * Math.Cos(Math.PI * i * (2 * j + 1) / (2 * Length)), 1e-14);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(100)]
    [InlineData(4096)]
    public void Cosine_columns_are_orthonormal_in_single_precision(int length)
    {
        using var scope = NewDisposeScope();
        var numbers = arange(0, length, Math.Max(1, length / 128), ScalarType.Int64);
        var last = tensor(new long[] { length - 1 });

        var columns = new DctBasis().Columns(cat([numbers.narrow(0, 0, numbers.shape[0] - 1), last]), length, ScalarType.Float32);

        Draw.Departure(columns).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Cosine_basis_picks_the_directions_that_the_gradient_lies_in()
    {
        using var scope = NewDisposeScope();
        var (dct, planted) = (new DctBasis(), tensor(new long[] { 5, 70, 149 }));
        var matrix = dct.Columns(planted, 150, ScalarType.Float64).mm(Draw.Normal(3, 40, 1)) + 0.01 * Draw.Normal(150, 40, 2);

        dct.Find(Query(matrix, 3)).data<long>().ToArray().Should().Equal(5, 70, 149);
    }

    [Fact]
    public void Largest_coordinates_are_those_with_the_largest_rows()
    {
        using var scope = NewDisposeScope();
        var matrix = 0.1 * Draw.Normal(20, 8, 1);
        foreach (var row in new[] { 17, 3, 11 })
            matrix.select(0, row).add_(2);

        new CoordinateBasis { TakesLargest = true }.Find(Query(matrix, 3)).data<long>().ToArray().Should().Equal(3, 11, 17);
    }

    [Fact]
    public void Random_coordinates_are_distinct_and_change_with_the_step()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(40, 8, 1);

        var draws = Enumerable.Range(1, 5).Select(step => new CoordinateBasis().Find(Query(matrix, 10, step: step)).data<long>().ToArray()).ToArray();

        draws.Should().OnlyContain(draw => draw.Length == 10 && draw.Distinct().Count() == 10 && draw.Min() >= 0 && draw.Max() < 40);
        draws.Select(draw => string.Join(" ", draw)).Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void Every_coordinate_is_drawn_about_as_often_as_any_other()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(8, 3, 1);

        var counts = new int[8];
        for (var step = 1; step <= 800; step++)
            foreach (var row in new CoordinateBasis().Find(Query(matrix, 2, step: step)).data<long>().ToArray())
                counts[row]++;

        counts.Should().OnlyContain(count => Math.Abs(count - 200) < 5 * Math.Sqrt(150), "a count has a mean of 200 and a variance of 150");
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Picking_coordinates_equals_a_product_with_ones_and_zeros(bool left, bool right)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(10, 12, 1);
        Tensor rows = tensor(new long[] { 2, 7, 9 }), columns = tensor(new long[] { 0, 5 });
        var picked = Projection.Of(left ? rows : null, right ? columns : null);
        var dense = Projection.Of(left ? Ones(10, rows) : null, right ? Ones(12, columns) : null);

        var inside = picked.Project(matrix);
        Tensor back = zeros(10, 12, ScalarType.Float64), expected = zeros(10, 12, ScalarType.Float64);
        picked.AddBack(back, inside, 0.5);
        dense.AddBack(expected, inside, 0.5);

        Draw.Error(inside, dense.Project(matrix)).Should().Be(0);
        Draw.Error(back, expected).Should().Be(0);
    }

    [Fact]
    public void Random_subspace_has_orthonormal_columns()
    {
        using var scope = NewDisposeScope();

        var basis = new RandomOrthonormalBasis().Draw(zeros(1), 30, 7, new StepContext { Step = 3 });

        basis.shape.Should().Equal(30, 7);
        Draw.Departure(basis).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Gaussian_projection_keeps_squared_norms_in_the_mean()
    {
        using var scope = NewDisposeScope();
        var vector = Draw.Normal(50, 1, 1);
        const int Rank = 64, Draws = 100;

        var ratios = Enumerable.Range(1, Draws).Select(step =>
            new GaussianBasis().Draw(vector, 50, Rank, new StepContext { Step = step }).t().mm(vector).square().sum().ToDouble() / vector.square().sum()
                .ToDouble()).ToArray();

        ratios.Average().Should().BeApproximately(1, 3 * Math.Sqrt(2.0 / Rank / Draws));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Drawn_basis_is_the_same_at_every_use_until_the_refresh_and_nothing_of_it_is_stored(bool orthonormal)
    {
        using var scope = NewDisposeScope();
        var spy = new SpyLift();
        var rule = new SubspaceRule { Rank = 3, RefreshEvery = 3, Basis = orthonormal ? new RandomOrthonormalBasis() : new GaussianBasis(), Lift = spy };
        using var state = new StateBag();
        var weight = zeros(6, 9);

        for (var step = 1; step <= 6; step++)
            rule.AddUpdate(Draw.Normal(6, 9, (ulong)step).to(ScalarType.Float32), weight, -0.1, state, new StepContext { Step = step, Parameter = "w" });

        var bases = spy.Projections.ConvertAll(projection => string.Join(" ", projection.Left!.data<float>()));
        bases.Distinct().Should().Equal(bases[0], bases[3]);
        bases.Take(3).Distinct().Should().HaveCount(1);
        state.Tensors.Keys.Should().Equal("exp_avg", "exp_avg_sq");
    }

    [Fact]
    public void Random_bases_of_both_sides_are_drawn_independently()
    {
        using var scope = NewDisposeScope();
        var spy = new SpyLift();
        var rule = new SubspaceRule { Rank = 3, Side = ProjectionSide.Both, Basis = new RandomOrthonormalBasis(), Lift = spy };
        using var state = new StateBag();

        rule.AddUpdate(Draw.Normal(8, 8, 1), zeros(8, 8, ScalarType.Float64), -0.1, state, new StepContext { Step = 1, Parameter = "w" });

        Draw.Angle(spy.Projections[0].Left!, spy.Projections[0].Right!).Should().BeGreaterThan(0.01);
    }

    [Fact]
    public void Momentum_and_gradient_are_mixed_before_the_subspace_is_sought()
    {
        using var scope = NewDisposeScope();
        Tensor matrix = Draw.Normal(8, 12, 1), previous = Draw.Basis(8, 2, 2), momentum = Draw.Normal(2, 12, 3);
        var mixed = 0.75 * previous.mm(momentum) + 0.25 * matrix;

        var found = new MomentumMix { Share = 0.75, Of = new ExactSvdBasis() }.Find(Query(matrix, 2, previous) with { Momentum = () => momentum });

        Draw.Angle(found, linalg.svd(mixed, fullMatrices: false).U.narrow(1, 0, 2)).Should().BeLessThan(1e-7);
    }

    [Fact]
    public void Without_momentum_the_gradient_alone_counts()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(8, 12, 1);

        var found = new MomentumMix { Of = new ExactSvdBasis() }.Find(Query(matrix, 2));

        Draw.Angle(found, linalg.svd(matrix, fullMatrices: false).U.narrow(1, 0, 2)).Should().BeLessThan(1e-12);
    }

    internal static SubspaceQuery Query(Tensor matrix, long rank, Tensor? previous = null, long step = 1) =>
        new(matrix, rank, previous, new StepContext { Step = step, Parameter = "w" });

    private static Tensor Ones(long length, Tensor coordinates) => eye(length, dtype: ScalarType.Float64).index_select(1, coordinates);
}
