using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class MomentPruningTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.5, 3)]
    [InlineData(0.6, 3.4)]
    [InlineData(1, 5)]
    public void Quantile_is_interpolated_between_neighbors(double share, double expected)
    {
        using var scope = NewDisposeScope();
        MomentPruning.Quantile(tensor([5f, 1, 4, 2, 3]), share).ToDouble().Should().BeApproximately(expected, 1e-6);
    }

    [Fact]
    public void Only_magnitudes_strictly_above_the_quantile_survive()
    {
        using var scope = NewDisposeScope();
        var mask = MomentPruning.MagnitudeMask(tensor([-5f, 1, 4, -2, 3]), 0.5);
        mask.data<bool>().Should().Equal(true, false, true, false, false);
    }

    [Fact]
    public void Nothing_of_a_constant_tensor_survives()
    {
        using var scope = NewDisposeScope();
        MomentPruning.MagnitudeMask(ones(5, 6), 0.9).any().ToBoolean().Should().BeFalse();
    }

    [Fact]
    public void Tensor_beyond_the_limit_of_libtorchs_quantile_is_pruned_to_its_share()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        const long entries = (1 << 24) + 8;

        var mask = MomentPruning.MagnitudeMask(rand([entries], generator: generator), 0.99);

        (mask.sum().ToDouble() / entries).Should().BeApproximately(0.01, 1e-4);
    }

    [Fact]
    public void Random_mask_keeps_its_share_and_depends_on_the_generator_alone()
    {
        using var scope = NewDisposeScope();
        var masks = new ulong[] { 5, 5, 6 }.Select(Draw).ToArray();

        (masks[0].sum().ToDouble() / 40_000).Should().BeApproximately(0.1, 0.01);
        masks[0].data<bool>().ToArray().Should().Equal(masks[1].data<bool>().ToArray());
        masks[0].data<bool>().ToArray().Should().NotEqual(masks[2].data<bool>().ToArray());

        static Tensor Draw(ulong seed)
        {
            using var generator = new Generator(seed, CPU);
            return MomentPruning.RandomMask(zeros(200, 200), 0.9, generator);
        }
    }
}
