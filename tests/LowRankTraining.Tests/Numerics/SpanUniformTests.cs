using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class SpanUniformTests
{
    private const int Draws = 1 << 20;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(0x8000_0000_0000_0000)]
    [InlineData(0x1234_5678_9abc_def0)]
    public void Every_share_of_the_interval_is_hit_as_often_as_it_is_wide(ulong key)
    {
        var x = Numbers(key);

        x.Should().AllSatisfy(number => number.Should().BeInRange(0, 1 - 1f / (1 << 24)));
        ChiSquared(x, number => (int)(number * 256)).Should().BeInRange(150, 400, "it is 255 ± 23 for numbers that are uniform");
        ChiSquared(x, number => (int)(number * (1 << 24)) & 255).Should().BeInRange(150, 400, "the low bits are random too");
    }

    [Fact]
    public void Neighbors_and_neighboring_keys_have_nothing_in_common()
    {
        float[] x = Numbers(5), other = Numbers(6), half = Numbers(5 + (1UL << 32));

        foreach (var lag in new[] { 1, 2, 7, 8, 16, 1024 })
            Correlation(x[..^lag], x[lag..]).Should().BeInRange(-0.005, 0.005);
        Correlation(x, other).Should().BeInRange(-0.005, 0.005);
        Correlation(x[1..], other[..^1]).Should().BeInRange(-0.005, 0.005);
        Correlation(x, half).Should().BeInRange(-0.005, 0.005);
    }

    [Theory]
    [InlineData(1, 1000)]
    [InlineData(13, 77)]
    [InlineData(500, 3)]
    public void A_number_depends_on_its_place_alone(int start, int length)
    {
        var part = new float[length];

        new SpanUniform(9).Fill((uint)start, part);

        part.Should().Equal(Numbers(9)[start..(start + length)]);
    }

    [Fact]
    public void Equal_generators_name_equal_streams_one_after_the_other()
    {
        using Generator one = new(3, CPU), other = new(3, CPU);

        var first = SpanUniform.From(one);
        SpanUniform.From(other).Should().Be(first);
        SpanUniform.From(one).Should().NotBe(first);
    }

    private static float[] Numbers(ulong key)
    {
        var numbers = new float[Draws];
        new SpanUniform(key).Fill(0, numbers);
        return numbers;
    }

    private static double ChiSquared(float[] numbers, Func<float, int> share)
    {
        var counts = new int[256];
        foreach (var number in numbers)
            counts[share(number)]++;
        var expected = numbers.Length / 256.0;
        return counts.Sum(count => (count - expected) * (count - expected) / expected);
    }

    private static double Correlation(float[] x, float[] y) => 12 * x.Zip(y, (a, b) => (a - 0.5) * (b - 0.5)).Average();
}
