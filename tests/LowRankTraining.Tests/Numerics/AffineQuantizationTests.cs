using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class AffineQuantizationTests
{
    private const int Draws = 100_000;

    [Theory]
    [InlineData(8, -1, 1)]
    [InlineData(4, -1, 1)]
    [InlineData(8, 0.5, 0.75)]
    [InlineData(4, 0.5, 0.75)]
    [InlineData(4, -0.75, -0.5)]
    [InlineData(8, -0.1, 3)]
    [InlineData(4, 1e-9, 2e-9)]
    public void Error_is_at_most_half_a_scale(int bits, double low, double high)
    {
        using var scope = NewDisposeScope();
        var x = Uniform(10, 100).mul_(high - low).add_(low);

        var range = Math.Max(high, 0) - Math.Min(low, 0);
        var scale = range / ((1 << bits) - 1);
        (RoundTrip(x, bits) - x).abs().max().ToDouble().Should().BeLessThanOrEqualTo(scale / 2 * 1.0001);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Zero_stays_zero_however_it_is_rounded(int bits)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        var x = Uniform(4, 256).add_(0.3);
        x.select(1, 9).zero_();
        x.select(0, 2).neg_();

        foreach (var stochastic in new[] { null, generator })
            RoundTrip(x, bits, stochastic).select(1, 9).data<float>().ToArray().Should().AllBeEquivalentTo(0f);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Group_of_zeros_decodes_to_zeros(int bits)
    {
        using var scope = NewDisposeScope();

        RoundTrip(zeros(300), bits).data<float>().ToArray().Should().AllBeEquivalentTo(0f);
    }

    [Fact]
    public void Reference_code_saturates_where_the_mended_one_does_not()
    {
        using var scope = NewDisposeScope();
        var x = Uniform(256).mul_(0.1).add_(0.5);

        (RoundTrip(x, 4, compatibility: Compatibility.ReferenceCode) - x).abs().max().ToDouble().Should().BeGreaterThan(0.4);
        (RoundTrip(x, 4) - x).abs().max().ToDouble().Should().BeLessThan(0.03);
    }

    [Theory]
    [InlineData(8, 0.0)]
    [InlineData(8, -0.6)]
    [InlineData(4, 0.0)]
    [InlineData(4, -0.6)]
    [InlineData(4, -1.37)]
    public void Mean_of_many_roundings_is_the_number_itself_up_to_the_ends_of_the_range(int bits, double shift)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(11, CPU);
        var group = linspace(shift, 1 + shift, 20);
        var x = group.expand(Draws / 4, 20).reshape(-1);

        var rounded = RoundTrip(x, bits, generator, group: 20).to(ScalarType.Float64).view(-1, 20);

        var error = (rounded.mean(new[] { 0L }) - group).abs();
        var standardError = rounded.std(0) / Math.Sqrt(rounded.shape[0]);
        (error - standardError * 3.5 - 1e-6).max().ToDouble().Should().BeLessThanOrEqualTo(0);
        standardError.max().ToDouble().Should().BeGreaterThan(0);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    public void Mean_of_one_number_rounded_1e5_times_is_within_three_standard_errors(int bits)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(12, CPU);
        var x = full([Draws], 0.123456, ScalarType.Float32);
        x.narrow(0, 0, 1).fill_(-0.5);
        x.narrow(0, 1, 1).fill_(0.7);

        var rounded = RoundTrip(x, bits, generator, group: Draws).narrow(0, 2, Draws - 2).to(ScalarType.Float64);

        var standardError = rounded.std().ToDouble() / Math.Sqrt(Draws - 2);
        rounded.mean().ToDouble().Should().BeApproximately(0.123456, 3 * standardError + 1e-7);
        standardError.Should().BeGreaterThan(0);
    }

    [Fact]
    public void Equal_generators_round_alike_and_given_numbers_decide_alone()
    {
        using var scope = NewDisposeScope();
        var x = Uniform(500);

        Rounded(7).Should().Equal(Rounded(7)).And.NotEqual(Rounded(8));
        var low = AffineQuantization.QuantizeWith(x, zeros(500), 8).Codes;
        var high = AffineQuantization.QuantizeWith(x, full([500], 0.9999999, ScalarType.Float32), 8).Codes;
        (low.to(ScalarType.Int32) - high.to(ScalarType.Int32)).ge(0).all().ToBoolean().Should().BeTrue();
        low.ne(high).any().ToBoolean().Should().BeTrue();

        byte[] Rounded(ulong key)
        {
            using var generator = new Generator(key, CPU);
            return AffineQuantization.Quantize(x, 8, stochastic: generator).Codes.data<byte>().ToArray();
        }
    }

    [Theory]
    [InlineData(8, 1, 256)]
    [InlineData(8, 777, 256)]
    [InlineData(4, 777, 256)]
    [InlineData(4, (1 << 18) + 321, 96)]
    [InlineData(8, (1 << 18) + 321, 96)]
    public void Partial_groups_odd_counts_and_large_tensors_take_no_more_than_they_need(int bits, int count, int group)
    {
        using var scope = NewDisposeScope();
        var x = Uniform(count).sub_(0.5);

        var (codes, scales, zeros) = AffineQuantization.Quantize(x, bits, group);

        codes.dtype.Should().Be(ScalarType.Byte);
        codes.numel().Should().Be(bits == 8 ? count : (count + 1) / 2);
        scales.numel().Should().Be((count + group - 1) / group);
        zeros.numel().Should().Be(scales.numel());
        (RoundTrip(x, bits, group: group) - x).abs().max().ToDouble().Should().BeLessThan(bits == 8 ? 0.0021 : 0.035);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    public void Other_dtypes_and_strides_go_in_and_come_out(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var x = Uniform(30, 20).to(dtype).t();

        var (codes, scales, zeros) = AffineQuantization.Quantize(x, 8);
        var decoded = AffineQuantization.Dequantize(codes, scales, zeros, 8, 256, x.shape, dtype);

        decoded.dtype.Should().Be(dtype);
        (decoded - x).abs().max().ToDouble().Should().BeLessThan(0.008);
    }

    [Fact]
    public void Impossible_arguments_are_refused()
    {
        using var scope = NewDisposeScope();
        var x = zeros(10);

        new Action(() => AffineQuantization.Quantize(x, 2)).Should().Throw<ArgumentException>().WithMessage("*8 or 4*");
        new Action(() => AffineQuantization.Quantize(x, 4, group: 3)).Should().Throw<ArgumentException>().WithMessage("*even*");
        new Action(() => AffineQuantization.QuantizeWith(x, zeros(9), 8)).Should().Throw<ArgumentException>().WithMessage("*own uniform number*");
    }

    private static Tensor RoundTrip(Tensor x, int bits, Generator? stochastic = null, int group = 256, Compatibility compatibility = Compatibility.Paper)
    {
        var (codes, scales, zeros) = AffineQuantization.Quantize(x, bits, group, stochastic, compatibility);
        return AffineQuantization.Dequantize(codes, scales, zeros, bits, group, x.shape, ScalarType.Float32);
    }

    private static Tensor Uniform(params long[] shape)
    {
        using var generator = new Generator(9, CPU);
        return rand(shape, generator: generator);
    }
}
