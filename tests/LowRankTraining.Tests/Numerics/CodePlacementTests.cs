using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class CodePlacementTests
{
    private static readonly string[] Ordinary =
    [
        nameof(CodeTable.Dynamic8Signed), nameof(CodeTable.Dynamic8Unsigned), nameof(CodeTable.Dynamic4Signed),
        nameof(CodeTable.Linear4Unsigned), nameof(CodeTable.NF4), nameof(CodeTable.Linear8Signed), nameof(CodeTable.Companded8Signed),
    ];

    public static TheoryData<string> Tables => [.. Ordinary];

    /// <summary>Those too that round nothing above zero to zero.</summary>
    public static TheoryData<string> AllTables => [.. Ordinary, nameof(CodeTable.Dynamic8Positive), nameof(CodeTable.Companded8Positive)];

    [Theory]
    [MemberData(nameof(AllTables))]
    public void Numbers_get_the_code_that_a_binary_search_gives_them(string name)
    {
        using var scope = NewDisposeScope();
        var table = CodeTables.Named(name);
        var x = Delicate([.. table.Midpoints]);
        var expected = bucketize(x, tensor(table.Midpoints.ToArray()), right: table.Bits == 4);

        RoundTrip(x, table, null).ne(ValuesOf(table, expected)).sum().ToInt64().Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Tables))]
    public void Stochastic_codes_are_the_two_that_a_binary_search_finds_around_a_number(string name)
    {
        using var scope = NewDisposeScope();
        var table = CodeTables.Named(name);
        using var generator = new Generator(3);
        var x = Delicate([.. table.Values]).clamp(table.Values[0], 1);
        var lower = bucketize(x, tensor(table.Values.Skip(1).SkipLast(1).ToArray()), right: true);

        var decoded = RoundTrip(x, table, generator);

        var (low, high) = (ValuesOf(table, lower), ValuesOf(table, lower + 1));
        decoded.eq(low).logical_or(decoded.eq(high)).all().ToBoolean().Should().BeTrue();
        decoded.masked_select(x.eq(low)).ne(low.masked_select(x.eq(low))).sum().ToInt64().Should().Be(0, "what is in the table is kept as it is");
    }

    /// <summary>Boundaries and their neighbors among float32 numbers, zeros, and many others; the largest is 1, so that the scale of a block is too.</summary>
    private static Tensor Delicate(float[] bounds)
    {
        float[] exact =
            [.. bounds.SelectMany(bound => new[] { bound, MathF.BitIncrement(bound), MathF.BitDecrement(bound) }), 0, -0f, 1, float.Epsilon, -float.Epsilon,
                1e-38f];
        var random = Draw.Normal([100_000], 1).to(ScalarType.Float32);
        return cat([tensor(exact), random.mul(0.3f), random.pow(5).mul(0.01f), random.mul(1e-5f)]).clamp(-1, 1);
    }

    private static Tensor RoundTrip(Tensor x, CodeTable table, Generator? generator)
    {
        var block = (int)x.numel() + (int)x.numel() % 2;
        var (codes, absMax) = BlockwiseQuantization.Quantize(x, table, block, generator);
        return BlockwiseQuantization.Dequantize(codes, absMax, table, block, x.shape, ScalarType.Float32);
    }

    private static Tensor ValuesOf(CodeTable table, Tensor codes) => tensor(table.Values.ToArray()).index_select(0, codes);
}
