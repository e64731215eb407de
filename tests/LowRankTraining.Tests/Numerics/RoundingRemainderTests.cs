using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class RoundingRemainderTests
{
    private const int Many = 300_000;

    /// <summary>Numbers of all sizes, powers of two with their neighbors, and the ends of the range.</summary>
    private static Tensor Numbers(double smallest, double largest)
    {
        using var generator = new Generator(3, CPU);
        var (low, high) = (Math.Log2(smallest), Math.Log2(largest));
        var sizes = rand([Many], ScalarType.Float64, generator: generator).mul(high - low).add(low).exp2();
        var signs = rand([Many], ScalarType.Float64, generator: generator).sub(0.5).sign();
        var powers = arange(Math.Ceiling(low), Math.Floor(high), 1, ScalarType.Float64).exp2();
        var near =
            cat([powers, powers * (1 - 3e-8), powers * (1 + 1.5e-7), powers * (1 - 1.0 / 512), powers * (1 - 1.0 / 1024), powers * (1 + 1.0 / 256), -powers]);
        return cat([sizes * signs, near, zeros(2, ScalarType.Float64)]).to(ScalarType.Float32);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, 1e-37, 1e38, 16)]
    [InlineData(ScalarType.Float16, 6.2e-5, 6e4, 19)]
    public void Numbers_come_back_to_their_first_bits(ScalarType dtype, double smallest, double largest, int bits)
    {
        using var scope = NewDisposeScope();
        var numbers = Numbers(smallest, largest);
        var (rounded, remainder) = (empty(numbers.shape, dtype), empty(numbers.shape, ScalarType.Int8));
        var back = empty_like(numbers);

        RoundingRemainder.Split(numbers, rounded, remainder);
        RoundingRemainder.Join(rounded, remainder, back);

        var (exact, joined, half) = (numbers.to(ScalarType.Float64), back.to(ScalarType.Float64), rounded.to(ScalarType.Float64));
        var size = exact.abs().clamp_min(1e-300);
        ((joined - exact).abs() / size).max().ToDouble().Should().BeLessThanOrEqualTo(Math.ScaleB(1, -bits));
        ((half - exact).abs() / size).max().ToDouble().Should().BeLessThanOrEqualTo(Math.ScaleB(1 + Math.ScaleB(1, -8), 8 - bits), "it is the nearest one");
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, 1e-44, 1e38)]
    [InlineData(ScalarType.Float16, 1e-9, 6e4)]
    public void What_is_put_together_and_split_again_is_the_same(ScalarType dtype, double smallest, double largest)
    {
        using var scope = NewDisposeScope();
        var numbers = Numbers(smallest, largest);
        var (rounded, remainder) = (empty(numbers.shape, dtype), empty(numbers.shape, ScalarType.Int8));
        RoundingRemainder.Split(numbers, rounded, remainder);
        var (again, remainderAgain, back) = (empty_like(rounded), empty_like(remainder), empty_like(numbers));

        RoundingRemainder.Join(rounded, remainder, back);
        RoundingRemainder.Split(back, again, remainderAgain);

        again.ne(rounded).sum().ToInt64().Should().Be(0);
        remainderAgain.ne(remainder).sum().ToInt64().Should().Be(0);
        remainder.to(ScalarType.Int64).abs().max().ToInt64().Should().Be(128);
    }

    [Fact]
    public void Bits_are_those_of_operations_on_tensors()
    {
        using var scope = NewDisposeScope();
        var numbers = cat([Numbers(1e-44, 3e38), tensor(new[] { float.PositiveInfinity, float.NegativeInfinity, -0f, float.Epsilon })]);
        var (rounded, remainder) = (empty(numbers.shape, ScalarType.BFloat16), empty(numbers.shape, ScalarType.Int8));
        var (others, otherRemainder) = (empty_like(rounded), empty_like(remainder));
        var (back, otherBack) = (empty_like(numbers), empty_like(numbers));

        RoundingRemainder.Split(numbers, rounded, remainder);
        RoundingRemainder.SplitTensor(numbers, others, otherRemainder);
        RoundingRemainder.Join(rounded, remainder, back);
        RoundingRemainder.JoinTensor(otherBack, others, otherRemainder);

        others.bytes.SequenceEqual(rounded.bytes).Should().BeTrue();
        otherRemainder.bytes.SequenceEqual(remainder.bytes).Should().BeTrue();
        otherBack.bytes.SequenceEqual(back.bytes).Should().BeTrue();
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void What_is_no_number_stays_none(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var numbers = tensor(new[] { float.NaN, BitConverter.UInt32BitsToSingle(0x7FFFFFFF), BitConverter.UInt32BitsToSingle(0xFFFFFFFF) });
        var (rounded, remainder, back) = (empty(numbers.shape, dtype), empty(numbers.shape, ScalarType.Int8), empty_like(numbers));

        RoundingRemainder.Split(numbers, rounded, remainder);
        RoundingRemainder.Join(rounded, remainder, back);

        rounded.isnan().all().ToBoolean().Should().BeTrue();
        back.isnan().all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Small_float16_numbers_are_not_lost()
    {
        using var scope = NewDisposeScope();
        var numbers = tensor(new[] { 1e-8f, -1e-8f, 3e-9f, 2e-10f });
        var (rounded, remainder, back) = (empty(numbers.shape, ScalarType.Float16), empty(numbers.shape, ScalarType.Int8), empty_like(numbers));

        RoundingRemainder.Split(numbers, rounded, remainder);
        RoundingRemainder.Join(rounded, remainder, back);

        (back - numbers).abs().max().ToDouble().Should().BeLessThanOrEqualTo(Math.ScaleB(1, -33), "half of the 2⁻³² by which they go");
    }
}
