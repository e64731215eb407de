using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class BlockwiseQuantizationTests
{
    private static readonly Dictionary<string, CodeTable> Named = new()
    {
        ["8 signed"] = CodeTable.Dynamic8Signed,
        ["8 unsigned"] = CodeTable.Dynamic8Unsigned,
        ["4 signed"] = CodeTable.Dynamic4Signed,
        ["4 unsigned"] = CodeTable.Linear4Unsigned,
        ["NF4"] = CodeTable.NF4,
        ["8 linear"] = CodeTable.Linear8Signed,
    };

    public static TheoryData<string> Tables => [.. Named.Keys];

    public static TheoryData<string> TablesWithZero => [.. Named.Keys.Where(name => Named[name].Values.Contains(0))];

    [Theory]
    [MemberData(nameof(Tables))]
    public void Every_entry_becomes_the_nearest_value_of_the_table(string name)
    {
        using var scope = NewDisposeScope();
        var table = Named[name];
        var x = Draw(table, 10, 100);

        var decoded = RoundTrip(x, table, 128).data<float>().ToArray();

        var blocks = x.data<float>().ToArray().Chunk(128).ToArray();
        var exact = blocks.SelectMany(block =>
        {
            var largest = block.Max(Math.Abs);
            return block.Select(value => table.Values.Min(entry => Math.Abs((double)entry * largest - value)));
        });
        decoded.Zip(x.data<float>().ToArray(), (ours, value) => Math.Abs((double)ours - value))
            .Zip(exact, (error, least) => error - least).Max().Should().BeLessThan(1e-6);
    }

    [Theory]
    [MemberData(nameof(TablesWithZero))]
    public void Zero_stays_zero(string name)
    {
        using var scope = NewDisposeScope();
        var x = Draw(Named[name], 700).masked_fill(Draw(CodeTable.Dynamic8Signed, 700).lt(0.1), 0);

        RoundTrip(x, Named[name], 256).masked_select(x.eq(0)).data<float>().ToArray().Should().NotBeEmpty().And.AllBeEquivalentTo(0f);
    }

    [Theory]
    [MemberData(nameof(Tables))]
    public void Block_of_zeros_decodes_to_zeros(string name)
    {
        using var scope = NewDisposeScope();
        var x = cat([zeros(256), Draw(Named[name], 44)]);

        var (codes, absMax) = BlockwiseQuantization.Quantize(x, Named[name], 256);

        absMax.data<float>()[0].Should().Be(0);
        Decode(codes, absMax, Named[name], 256, x).narrow(0, 0, 256).data<float>().ToArray().Should().AllBeEquivalentTo(0f);
    }

    [Theory]
    [MemberData(nameof(Tables))]
    public void Largest_entry_of_a_block_is_exact(string name)
    {
        using var scope = NewDisposeScope();
        var x = Draw(Named[name], 3, 100).clamp_(-0.5, 0.5);
        x.select(1, 17).fill_(0.7);

        RoundTrip(x, Named[name], 100).select(1, 17).data<float>().ToArray().Should().AllBeEquivalentTo(0.7f);
    }

    [Theory]
    [InlineData("8 signed", 0.99296875)]
    [InlineData("4 signed", 0.8875)]
    public void Negative_largest_entry_becomes_the_lowest_value(string name, double lowest)
    {
        using var scope = NewDisposeScope();
        var x = Draw(Named[name], 100).clamp_(-0.5, 0.5);
        x.select(0, 3).fill_(-1);

        RoundTrip(x, Named[name], 100).select(0, 3).ToDouble().Should().BeApproximately(-lowest, 1e-7);
    }

    [Theory]
    [InlineData("NF4", 64)]
    [InlineData("8 linear", 50)]
    public void Stochastic_rounding_takes_a_neighbor_and_is_exact_on_average(string name, int block)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        var table = Named[name];
        var x = Draw(table, 3, 67);
        var sum = zeros(x.shape, ScalarType.Float64);
        double widest = table.Midpoints.Zip(table.Midpoints.Skip(1), (low, high) => high - low).Max() * 2, farthest = 0;

        const int Draws = 4000;
        for (var draw = 0; draw < Draws; draw++)
        {
            using var one = NewDisposeScope();
            var (codes, absMax) = BlockwiseQuantization.Quantize(x, table, block, generator);
            var decoded = Decode(codes, absMax, table, block, x);
            farthest = Math.Max(farthest, (decoded - x).abs().max().ToDouble());
            sum.add_(decoded);
        }

        farthest.Should().BeLessThan(widest);
        (sum / Draws - x).abs().max().ToDouble().Should().BeLessThan(5 * widest / 2 / Math.Sqrt(Draws));
    }

    [Theory]
    [InlineData("8 signed", 0)]
    [InlineData("4 unsigned", 1)]
    public void Tie_goes_down_with_8_bits_and_up_with_4(string name, int up)
    {
        using var scope = NewDisposeScope();
        var table = Named[name];

        // The block's largest entry is 1, so the midpoint is compared as it is.
        var (codes, _) = BlockwiseQuantization.Quantize(tensor(new[] { table.Midpoints[5], 1f }), table, 2);

        var code = table.Bits == 8 ? codes.data<byte>()[0] : codes.data<byte>()[0] / 16;
        code.Should().Be(5 + up);
    }

    [Theory]
    [InlineData("8 signed", 1, 256)]
    [InlineData("8 signed", 700, 256)]
    [InlineData("8 unsigned", 255, 256)]
    [InlineData("4 signed", 1, 128)]
    [InlineData("4 signed", 301, 128)]
    [InlineData("4 unsigned", 256, 128)]
    [InlineData("4 signed", 7, 2)]
    public void Partial_blocks_and_odd_counts_take_no_more_than_they_need(string name, int count, int block)
    {
        using var scope = NewDisposeScope();
        var table = Named[name];
        var x = Draw(table, count);

        var (codes, absMax) = BlockwiseQuantization.Quantize(x, table, block);

        codes.numel().Should().Be(table.Bits == 8 ? count : (count + 1) / 2);
        absMax.numel().Should().Be((count + block - 1) / block);
        (Decode(codes, absMax, table, block, x) - x).abs().max().ToDouble().Should().BeLessThan(table.Bits == 8 ? 0.02 : 0.12);
    }

    [Fact]
    public void First_of_two_4_bit_codes_is_in_the_high_half()
    {
        using var scope = NewDisposeScope();

        var (codes, _) = BlockwiseQuantization.Quantize(tensor(new[] { 1f, 0f, -1f }), CodeTable.Dynamic4Signed, 4);

        codes.data<byte>().ToArray().Should().Equal(15 * 16 + 7, 0 * 16 + 7);
    }

    [Fact]
    public void Eight_bit_codes_keep_the_shape()
    {
        using var scope = NewDisposeScope();

        BlockwiseQuantization.Quantize(Draw(CodeTable.Dynamic8Signed, 3, 5), CodeTable.Dynamic8Signed, 256).Codes.shape.Should().Equal(3, 5);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    public void Scales_that_a_model_was_converted_with_are_read_as_the_numbers_they_are(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var x = Draw(CodeTable.Dynamic8Signed, 700);
        var (codes, absMax) = BlockwiseQuantization.Quantize(x, CodeTable.Dynamic8Signed, 256);

        var decoded = Decode(codes, absMax.to(dtype), CodeTable.Dynamic8Signed, 256, x);

        decoded.allclose(Decode(codes, absMax, CodeTable.Dynamic8Signed, 256, x), rtol: 0.01, atol: 0).Should().BeTrue();
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Many_numbers_are_quantized_as_few_are(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var x = Draw(CodeTable.Dynamic8Signed, 300_001).to(dtype);

        var (codes, absMax) = BlockwiseQuantization.Quantize(x, CodeTable.Dynamic8Signed, 256);
        var decoded = BlockwiseQuantization.Dequantize(codes, absMax, CodeTable.Dynamic8Signed, 256, x.shape, dtype);

        for (long start = 0; start < x.numel(); start += 25_600)
        {
            var part = x.narrow(0, start, Math.Min(25_600, x.numel() - start));
            var (partCodes, partAbsMax) = BlockwiseQuantization.Quantize(part, CodeTable.Dynamic8Signed, 256);
            codes.narrow(0, start, part.numel()).eq(partCodes).all().ToBoolean().Should().BeTrue();
            decoded.narrow(0, start, part.numel()).eq(
                BlockwiseQuantization.Dequantize(partCodes, partAbsMax, CodeTable.Dynamic8Signed, 256, part.shape, dtype)).all().ToBoolean().Should().BeTrue();
        }
    }

    [Fact]
    public void Transposed_tensor_is_read_in_its_own_order()
    {
        using var scope = NewDisposeScope();
        var x = Draw(CodeTable.Dynamic8Signed, 40, 30);

        var (codes, absMax) = BlockwiseQuantization.Quantize(x.t(), CodeTable.Dynamic8Signed, 256);
        var (expected, expectedMax) = BlockwiseQuantization.Quantize(x.t().contiguous(), CodeTable.Dynamic8Signed, 256);

        codes.eq(expected).all().ToBoolean().Should().BeTrue();
        absMax.eq(expectedMax).all().ToBoolean().Should().BeTrue();
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Float64)]
    public void Other_dtypes_go_in_and_come_out(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var x = Draw(CodeTable.Dynamic8Signed, 300).to(dtype);

        var (codes, absMax) = BlockwiseQuantization.Quantize(x, CodeTable.Dynamic8Signed, 256);
        var decoded = BlockwiseQuantization.Dequantize(codes, absMax, CodeTable.Dynamic8Signed, 256, [300], dtype);

        decoded.dtype.Should().Be(dtype);
        var single = RoundTrip(x.to(ScalarType.Float32), CodeTable.Dynamic8Signed, 256);
        (decoded.to(ScalarType.Float32) - single).abs().max().ToDouble().Should().BeLessThan(0.004);
    }

    [Theory]
    [InlineData("8 signed", 96)]
    [InlineData("4 signed", 96)]
    public void Tensor_larger_than_a_chunk_is_as_its_blocks_apart(string name, int block)
    {
        using var scope = NewDisposeScope();
        var table = Named[name];
        var x = Draw(table, 1 << 19).narrow(0, 0, (1 << 18) + 12345);
        var tail = (1 << 18) / block * block - block;

        var whole = RoundTrip(x, table, block);
        var last = RoundTrip(x.narrow(0, tail, x.numel() - tail), table, block);

        whole.narrow(0, tail, last.numel()).eq(last).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Numbers_of_any_size_keep_their_relative_precision()
    {
        using var scope = NewDisposeScope();
        var x = Draw(CodeTable.Dynamic8Signed, 256);

        foreach (var size in new[] { 1e-30, 1e-12, 1e30 })
        {
            var scaled = x * size;
            ((RoundTrip(scaled, CodeTable.Dynamic8Signed, 256) - scaled).abs().max().ToDouble() / size).Should().BeInRange(1e-4, 0.008);
        }
    }

    [Fact]
    public void Nan_spoils_its_block_and_no_other()
    {
        using var scope = NewDisposeScope();
        var x = Draw(CodeTable.Dynamic8Signed, 512);
        x.select(0, 300).fill_(double.NaN);

        var decoded = RoundTrip(x, CodeTable.Dynamic8Signed, 256);

        decoded.narrow(0, 0, 256).isfinite().all().ToBoolean().Should().BeTrue();
        decoded.narrow(0, 256, 256).isnan().all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Values_are_left_alone()
    {
        using var scope = NewDisposeScope();
        var x = Draw(CodeTable.Dynamic8Signed, 300);
        var before = x.clone();

        RoundTrip(x, CodeTable.Dynamic8Signed, 256);

        x.eq(before).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Impossible_blocks_and_mismatched_codes_are_refused()
    {
        using var scope = NewDisposeScope();
        var x = zeros(10);
        var (codes, absMax) = BlockwiseQuantization.Quantize(x, CodeTable.Dynamic8Signed, 4);

        new Action(() => BlockwiseQuantization.Quantize(x, CodeTable.Dynamic8Signed, 0)).Should().Throw<ArgumentException>().WithMessage("*at least one*");
        new Action(() => BlockwiseQuantization.Quantize(x, CodeTable.Dynamic4Signed, 3)).Should().Throw<ArgumentException>().WithMessage("*even*");
        new Action(() => Decode(codes, absMax, CodeTable.Dynamic8Signed, 4, zeros(11))).Should().Throw<ArgumentException>().WithMessage("*shape*");
        new Action(() => Decode(codes, absMax, CodeTable.Dynamic8Signed, 5, x)).Should().Throw<ArgumentException>().WithMessage("*block size*");
    }

    private static Tensor RoundTrip(Tensor x, CodeTable table, int block)
    {
        var (codes, absMax) = BlockwiseQuantization.Quantize(x, table, block);
        return Decode(codes, absMax, table, block, x);
    }

    private static Tensor Decode(Tensor codes, Tensor absMax, CodeTable table, int block, Tensor like) =>
        BlockwiseQuantization.Dequantize(codes, absMax, table, block, like.shape, ScalarType.Float32);

    /// <summary>Uniform in [−1, 1), or [0, 1) for a table without a sign.</summary>
    private static Tensor Draw(CodeTable table, params long[] shape)
    {
        using var generator = new Generator(5, CPU);
        var uniform = rand(shape, generator: generator);
        return table.Signed ? uniform.mul_(2).sub_(1) : uniform;
    }
}
