using FluentAssertions;
using LowRankTraining.Layers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public sealed class RankReductionTests
{
    private static readonly double[] Spectrum = [8, 5, 3, 2, 1, 0.5];

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(6)]
    public void Kept_and_dropped_part_add_up_to_the_product_and_the_kept_part_is_its_best_approximation(long rank)
    {
        using var scope = NewDisposeScope();
        var (a, b) = Factors(Spectrum);
        var product = b.mm(a);

        using var reduced = RankReduction.Reduce(a, b, rank);

        reduced.A.shape.Should().Equal(rank, 15);
        reduced.B.shape.Should().Equal(11, rank);
        Draw.Error(reduced.B.mm(reduced.A) + reduced.DroppedB.mm(reduced.DroppedA), product).Should().BeLessThan(1e-12);

        var (u, values, vh) = linalg.svd(product, fullMatrices: false);
        var best = (u.narrow(1, 0, rank) * values.narrow(0, 0, rank)).mm(vh.narrow(0, 0, rank));
        Draw.Error(reduced.B.mm(reduced.A), best).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Factors_come_out_balanced()
    {
        using var scope = NewDisposeScope();
        var (a, b) = Factors(Spectrum);

        using var reduced = RankReduction.Reduce(a, b, 4);

        var expected = diag(tensor(Spectrum[..4]));
        Draw.Error(reduced.A.mm(reduced.A.t()), expected).Should().BeLessThan(1e-12);
        Draw.Error(reduced.B.t().mm(reduced.B), expected).Should().BeLessThan(1e-12);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(2)]
    public void Maps_carry_factors_and_gradients(long rank)
    {
        using var scope = NewDisposeScope();
        var (a, b) = Factors(Spectrum);
        var gradient = Draw.Normal(11, 15, 7);

        using var reduced = RankReduction.Reduce(a, b, rank);

        Draw.Error(reduced.MapOfA.mm(a), reduced.A).Should().BeLessThan(1e-11);
        Draw.Error(reduced.MapOfB.mm(b.t()), reduced.B.t()).Should().BeLessThan(1e-11);
        Draw.Error(reduced.MapOfB.mm(b.t().mm(gradient)), reduced.B.t().mm(gradient)).Should().BeLessThan(1e-11, "∂A′ = B′ᵀ G");
        Draw.Error(reduced.MapOfA.mm(a.mm(gradient.t())), reduced.A.mm(gradient.t())).Should().BeLessThan(1e-11, "∂B′ᵀ = A′ Gᵀ");
    }

    [Fact]
    public void With_b_at_zero_the_rows_of_a_stay_of_their_length_within_their_span()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (Draw.Normal(6, 15, 1), zeros(11, 6, ScalarType.Float64));

        using var reduced = RankReduction.Reduce(a, b, 3);

        reduced.B.abs().max().ToDouble().Should().Be(0);
        var length = Math.Sqrt(a.square().sum().ToDouble() / 6);
        Draw.Error(reduced.A.mm(reduced.A.t()), eye(3, dtype: ScalarType.Float64) * (length * length)).Should().BeLessThan(1e-12);
        Draw.Error(reduced.MapOfA.mm(a), reduced.A).Should().BeLessThan(1e-11);
        reduced.MapOfB.abs().max().ToDouble().Should().Be(0, "no column of B moves A");
    }

    [Fact]
    public void A_direction_without_weight_leaves_the_product_alone_and_can_still_learn()
    {
        using var scope = NewDisposeScope();
        var (a, b) = Factors(4, 2);
        b = cat([b, zeros(11, 3, ScalarType.Float64)], 1);
        a = cat([a, Draw.Normal(3, 15, 9)], 0);

        using var reduced = RankReduction.Reduce(a, b, 4);

        Draw.Error(reduced.B.mm(reduced.A), b.mm(a)).Should().BeLessThan(1e-12);
        reduced.A.square().sum(1).min().ToDouble().Should().BeGreaterThan(0.1);
        Draw.Error(reduced.MapOfA.mm(a), reduced.A).Should().BeLessThan(1e-11);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 1e-5)]
    public void Lower_precision_is_computed_in_float32(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        var (a, b) = Factors(Spectrum);
        (a, b) = (a.to(dtype), b.to(dtype));

        using var reduced = RankReduction.Reduce(a, b, 3);

        reduced.A.dtype.Should().Be(ScalarType.Float32);
        var product = b.to(ScalarType.Float64).mm(a.to(ScalarType.Float64));
        Draw.Error(reduced.B.mm(reduced.A) + reduced.DroppedB.mm(reduced.DroppedA), product).Should().BeLessThan(tolerance);
    }

    [Fact]
    public void Singular_values_are_those_of_the_product()
    {
        using var scope = NewDisposeScope();
        var (a, b) = Factors(Spectrum);

        Draw.Error(RankReduction.SingularValues(a, b), tensor(Spectrum)).Should().BeLessThan(1e-12);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void A_rank_that_cannot_be_is_refused(long rank)
    {
        using var scope = NewDisposeScope();
        var (a, b) = Factors(Spectrum);

        FluentActions.Invoking(() => RankReduction.Reduce(a, b, rank)).Should().Throw<ArgumentOutOfRangeException>();
    }

    /// <summary>A and B, skewed against each other, whose product has these singular values.</summary>
    private static (Tensor A, Tensor B) Factors(params double[] values)
    {
        var skew = Draw.Normal(values.Length, values.Length, 5) + 3 * eye(values.Length, dtype: ScalarType.Float64);
        var a = skew.mm(Draw.Basis(15, values.Length, 2).t());
        var b = (Draw.Basis(11, values.Length, 3) * tensor(values)).mm(linalg.inv(skew));
        return (a, b);
    }
}
