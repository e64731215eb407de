using FluentAssertions;
using LanguageModel.CommandLine;
using Xunit;

namespace LowRankTraining.Samples.Tests.CommandLine;

public class DescribeTests
{
    [Theory]
    [InlineData(999, "999 B")]
    [InlineData(1_540_000, "1.54 MB")]
    [InlineData(13_400_000_000, "13.4 GB")]
    public void Bytes_have_three_digits_and_a_unit(long bytes, string expected) => Describe.Bytes(bytes).Should().Be(expected);

    [Fact]
    public void Unknown_bytes_are_a_dash() => Describe.Bytes(null).Should().Be("–");

    [Theory]
    [InlineData(41.6, "42 s")]
    [InlineData(59.7, "1 min 0 s")]
    [InlineData(200, "3 min 20 s")]
    [InlineData(7500, "2 h 5 min")]
    public void Durations_are_rounded_to_what_matters(double seconds, string expected) =>
        Describe.Duration(TimeSpan.FromSeconds(seconds)).Should().Be(expected);
}
