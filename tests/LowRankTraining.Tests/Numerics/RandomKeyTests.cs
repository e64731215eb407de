using FluentAssertions;
using LowRankTraining.Numerics;
using Xunit;

namespace LowRankTraining.Tests.Numerics;

public class RandomKeyTests
{
    [Fact]
    public void Equal_uses_share_a_key() =>
        RandomKey.For(1, "layer.weight", "sketch", 20).Should().Be(RandomKey.For(1, "layer.weight", "sketch", 20));

    [Fact]
    public void Every_part_matters()
    {
        ulong[] keys =
        [
            RandomKey.For(1, "layer.weight", "sketch", 20),
            RandomKey.For(2, "layer.weight", "sketch", 20),
            RandomKey.For(1, "layer.bias", "sketch", 20),
            RandomKey.For(1, "layer.weight", "rounding", 20),
            RandomKey.For(1, "layer.weight", "sketch", 21),
        ];

        keys.Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void Keys_fit_a_signed_seed() =>
        Enumerable.Range(0, 1000).Select(step => RandomKey.For(0, "w", "sketch", step)).Should().OnlyContain(key => key <= long.MaxValue);
}
