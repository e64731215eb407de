using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class SampledSvdBasisTests
{
    private static readonly double[] Values = [4, 3, 2, 1];

    [Fact]
    public void Columns_are_singular_vectors_in_the_order_of_their_values()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(4, 9, 1, Values);

        var found = new SampledSvdBasis().Find(Query(matrix, 3, step: 1));

        var energies = found.t().mm(matrix).square().sum(1).sqrt();
        var drawn = Recomputed(energies);
        drawn.Should().BeInDescendingOrder().And.OnlyContain(value => Values.Any(known => Math.Abs(known - value) < 1e-9)).And.HaveCount(3);
        Draw.Departure(found).Should().BeLessThan(1e-12);
    }

    /// <summary>Against every way to draw two of four one after the other.</summary>
    [Fact]
    public void Vectors_are_drawn_in_proportion_to_their_values_without_replacement()
    {
        const int Draws = 4000;
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(4, 9, 1, Values);
        var left = linalg.svd(matrix, fullMatrices: false).U;
        var counts = new double[4];

        for (var step = 1; step <= Draws; step++)
        {
            using var pass = NewDisposeScope();
            var held = Recomputed(new SampledSvdBasis().Find(Query(matrix, 2, step)).t().mm(left).square().sum([0]));
            for (var i = 0; i < 4; i++)
                counts[i] += Math.Round(held[i]);
        }

        for (var i = 0; i < 4; i++)
        {
            var chance = Values[i] / 10 + Enumerable.Range(0, 4).Where(j => j != i).Sum(j => Values[j] / 10 * Values[i] / (10 - Values[j]));
            (counts[i] / Draws).Should().BeApproximately(chance, 4 * Math.Sqrt(chance * (1 - chance) / Draws));
        }
    }

    [Fact]
    public void Vectors_of_zero_come_only_when_there_are_no_others()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(6, 9, 1, 2, 1e-3);

        for (var step = 1; step <= 20; step++)
        {
            var found = new SampledSvdBasis().Find(Query(matrix, 3, step));
            found.t().mm(matrix).norm().ToDouble().Should().BeApproximately(matrix.norm().ToDouble(), 1e-9);
            Draw.Departure(found).Should().BeLessThan(1e-12);
        }
    }

    [Fact]
    public void Same_key_draws_the_same_subspace()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(12, 20, 5);

        Tensor Found(int step) => new SampledSvdBasis().Find(Query(matrix, 4, step));

        Found(3).equal(Found(3)).all().ToBoolean().Should().BeTrue();
        Draw.Angle(Found(3), Found(4)).Should().BeGreaterThan(0.1);
    }

    private static double[] Recomputed(Tensor tensor) => Rules.Recomputed.Entries(tensor);

    private static SubspaceQuery Query(Tensor matrix, long rank, int step) => new(matrix, rank, null, new StepContext { Step = step, Parameter = "w" });
}
