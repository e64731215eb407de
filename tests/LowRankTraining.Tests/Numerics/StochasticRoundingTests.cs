using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class StochasticRoundingTests
{
    private const int Draws = 100_000;

    [Theory]
    [InlineData(ScalarType.BFloat16, 1.0f + 1f / 512, 1f / 128)]
    [InlineData(ScalarType.BFloat16, -3.14159f, 1f / 64)]
    [InlineData(ScalarType.BFloat16, 1.9999f, 1f / 128)]
    [InlineData(ScalarType.BFloat16, 1e-30f, 1e-32f)]
    [InlineData(ScalarType.Float16, 0.1f, 1f / 16384)]
    public void Mean_of_many_roundings_is_the_number_itself(ScalarType dtype, float value, float spacing)
    {
        using var scope = NewDisposeScope();
        var target = empty([Draws], dtype);
        using var generator = new Generator(1, CPU);

        StochasticRounding.Copy(full([Draws], value, ScalarType.Float32), target, generator);

        var rounded = target.to(ScalarType.Float64);
        var standardError = rounded.std().ToDouble() / Math.Sqrt(Draws);
        rounded.mean().ToDouble().Should().BeApproximately(value, 3 * standardError + 1e-12 * Math.Abs(value));
        (rounded - value).abs().max().ToDouble().Should().BeLessThanOrEqualTo(spacing * 1.0001);
    }

    [Fact]
    public void Representable_numbers_stay_what_they_are()
    {
        using var scope = NewDisposeScope();
        var exact = tensor(new float[] { 0, -0f, 1, -1, 0.5f, 3.140625f, 1024, -2.5e-30f, 256 }).to(ScalarType.BFloat16).to(ScalarType.Float32);
        var target = empty(exact.shape, ScalarType.BFloat16);
        using var generator = new Generator(2, CPU);

        StochasticRounding.Copy(exact, target, generator);

        target.to(ScalarType.Float32).allclose(exact, 0, 0).Should().BeTrue();
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void Representable_numbers_stay_what_they_are_however_many(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4, CPU);
        var exact = randn(4_000_000, generator: generator).to(dtype);
        var target = empty(exact.shape, dtype);

        StochasticRounding.Copy(exact.to(ScalarType.Float32), target, generator);

        target.ne(exact).sum().ToInt64().Should().Be(0);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void What_is_not_finite_stays_so(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5, CPU);
        var source = tensor(new[] { float.NaN, BitConverter.Int32BitsToSingle(0x7F800001), BitConverter.Int32BitsToSingle(-1), float.PositiveInfinity,
            float.NegativeInfinity, 1 });
        var target = empty(source.shape, dtype);

        StochasticRounding.Copy(source, target, generator);

        target.isnan().data<bool>().ToArray().Should().Equal(true, true, true, false, false, false);
        target.isinf().data<bool>().ToArray().Should().Equal(false, false, false, true, true, false);
    }

    /// <summary>2⁻¹⁸ lies between float16's subnormal numbers as it is one of them; numbers between two of them go to the nearest.</summary>
    [Fact]
    public void Subnormal_float16_numbers_are_rounded_to_the_nearest()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(6, CPU);
        var source = (randn(10_000, generator: generator) * MathF.ScaleB(1, -18)).clamp(-MathF.ScaleB(1, -15), MathF.ScaleB(1, -15));
        var target = empty(source.shape, ScalarType.Float16);

        StochasticRounding.Copy(source, target, generator);

        target.ne(source.to(ScalarType.Float16)).sum().ToInt64().Should().Be(0);
    }

    /// <summary>As many are rounded up as the fraction that is cut off says, on numbers of either sign and at powers of two.</summary>
    [Theory]
    [InlineData(1f, 0.25)]
    [InlineData(-1f, 0.25)]
    [InlineData(1.9921875f, 0.75)]
    [InlineData(-1.9921875f, 0.5)]
    [InlineData(1e-40f, 0.5)]
    public void The_share_that_is_rounded_away_from_zero_is_the_fraction(float kept, double fraction)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7, CPU);
        var lower = BitConverter.SingleToInt32Bits(kept) & ~0xFFFF;
        var source = full([Draws], BitConverter.Int32BitsToSingle(lower + (int)(fraction * 65536)), ScalarType.Float32);
        var target = empty(source.shape, ScalarType.BFloat16);

        StochasticRounding.Copy(source, target, generator);

        var down = target.to(ScalarType.Float32).eq(BitConverter.Int32BitsToSingle(lower)).to(ScalarType.Float64).mean().ToDouble();
        down.Should().BeApproximately(1 - fraction, 4 * Math.Sqrt(fraction * (1 - fraction) / Draws));
    }

    [Fact]
    public void Equal_keys_round_alike_and_other_keys_do_not()
    {
        Round(7).Should().Equal(Round(7));
        Round(7).Should().NotEqual(Round(8));
    }

    [Fact]
    public void Tensor_larger_than_a_chunk_is_rounded_throughout()
    {
        using var scope = NewDisposeScope();
        var source = linspace(1, 2, (1 << 20) + 12345);
        var target = zeros(source.shape, ScalarType.BFloat16);
        using var generator = new Generator(3, CPU);

        StochasticRounding.Copy(source, target, generator);

        (target.to(ScalarType.Float32) - source).abs().max().ToDouble().Should().BeLessThanOrEqualTo(1.0 / 128);
    }

    [Fact]
    public void Other_dtypes_are_refused()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4, CPU);
        var round = () => StochasticRounding.Copy(zeros(3), zeros(3), generator);

        round.Should().Throw<ArgumentException>().WithMessage("*bfloat16 and float16*Float32*");
    }

    private static float[] Round(ulong key)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(key, CPU);
        var target = empty([1000], ScalarType.BFloat16);
        StochasticRounding.Copy(linspace(-1, 1, 1000), target, generator);
        return target.to(ScalarType.Float32).data<float>().ToArray();
    }
}
