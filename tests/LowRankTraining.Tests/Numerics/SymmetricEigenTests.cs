using FluentAssertions;
using LowRankTraining.Numerics;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class SymmetricEigenTests
{
    /// <summary>As the Gram matrix of a sketch of a few samples' gradient: exact zeros, and rounding of rounding down to denormals.</summary>
    [Fact]
    public void Matrix_whose_entries_fall_to_the_smallest_has_finite_vectors()
    {
        var failures = 0;
        for (var seed = 0UL; seed < 300; seed++)
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(seed, CPU);
            var matrix = FewRows(seed);
            var sketch = SubspaceIteration.Range(new DenseOperator(matrix), 12, generator, passes: 1).t().mm(matrix);
            var gram = sketch.mm(sketch.t());

            var (values, vectors) = SymmetricEigen.Of(gram);

            var (exact, wide) = (gram.to(ScalarType.Float64), vectors.to(ScalarType.Float64));
            (exact.mm(wide) - wide * values.to(ScalarType.Float64)).abs().max().ToDouble().Should().BeLessThan(1e-5 * gram.abs().max().ToDouble());
            Draw.Departure(wide).Should().BeLessThan(1e-5);
            failures += Fails(gram) ? 1 : 0;
        }

        failures.Should().BePositive("else libtorch has been mended, and this detour can go");
    }

    /// <summary>A few samples, or units that no sample has reached: a gradient of low rank with rows of zeros.</summary>
    [Theory]
    [InlineData("galore2"), InlineData("galore"), InlineData("fira"), InlineData("sumo"), InlineData("subtrack"), InlineData("adarankgrad"), InlineData("muon")]
    public void First_gradient_of_few_rows_leaves_finite_weights(string name)
    {
        for (var seed = 0UL; seed < 120; seed++)
        {
            using var scope = NewDisposeScope();
            using var layer = nn.Linear(48, 32, hasBias: false);
            var method = LowRankStrategies.Create(name);
            using var optimizer = (method is GradientSpaceMethod projecting ? projecting with { Rank = 4 } : method).Attach(layer).CreateOptimizer();
            layer.weight!.grad = FewRows(seed);

            optimizer.step();

            layer.weight.isfinite().all().ToBoolean().Should().BeTrue($"of {seed}");
        }
    }

    private static Tensor FewRows(ulong seed) => cat([zeros(29, 48), Draw.Normal(3, 48, seed).to(ScalarType.Float32)], 0);

    private static bool Fails(Tensor symmetric)
    {
        try
        {
            return !linalg.eigh(symmetric).Item2.isfinite().all().ToBoolean();
        }
        catch (System.Runtime.InteropServices.ExternalException)
        {
            return true;
        }
    }
}
