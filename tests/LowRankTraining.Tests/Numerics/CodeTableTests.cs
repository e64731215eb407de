using FluentAssertions;
using LowRankTraining.Numerics;
using Xunit;

namespace LowRankTraining.Tests.Numerics;

public class CodeTableTests
{
    public static TheoryData<string, int, bool, double, double, double> Tables => new()
    {
        { nameof(CodeTable.Dynamic8Signed), 256, true, -0.99296875, 0.99296875, 5.5e-7 },
        { nameof(CodeTable.Dynamic8Unsigned), 256, false, 0, 0.996484375, 3.25e-7 },
        { nameof(CodeTable.Dynamic4Signed), 16, true, -0.8875, 0.8875, 0.0055 },
        { nameof(CodeTable.Companded8Signed), 256, true, -128 / 127.0 / (2 - 128 / 127.0), 126.0 / 128, 1 / 253.0 },
        { nameof(CodeTable.Companded8Positive), 256, false, 0, 254.0 * 254 / 255 / 255, 1 / 65025.0 },
        { nameof(CodeTable.NF4), 16, true, -1, 0.7229568362, 0.0795802996 },
        { nameof(CodeTable.Linear8Signed), 256, true, -128 / 127.0, 126 / 127.0, 1 / 127.0 },
        { nameof(CodeTable.Linear4Unsigned), 16, false, 0.0625, 0.9375, 0.0625 },
    };

    [Theory]
    [MemberData(nameof(Tables))]
    public void Values_are_the_published_ones(string name, int count, bool signed, double lowest, double second, double smallestPositive)
    {
        var table = CodeTables.Named(name);
        table.Values.Should().HaveCount(count).And.BeInAscendingOrder().And.OnlyHaveUniqueItems();
        table.Signed.Should().Be(signed);
        ((double)table.Values[0]).Should().BeApproximately(lowest, 1e-7);
        table.Values[^1].Should().Be(1);
        ((double)table.Values[^2]).Should().BeApproximately(second, 1e-7);
        ((double)table.Values.First(value => value > 0)).Should().BeApproximately(smallestPositive, 1e-7 * smallestPositive);
    }

    [Fact]
    public void Four_bits_signed_are_the_sixteen_numbers_of_torchao()
    {
        double[] positive = [0.0055, 0.0325, 0.0775, 0.2125, 0.4375, 0.6625, 0.8875];

        CodeTable.Dynamic4Signed.Values.Should().Equal(
            [.. positive.Reverse().Select(value => (float)-value), 0f, .. positive.Select(value => (float)value), 1f],
            (ours, theirs) => Math.Abs(ours - theirs) < 1e-7);
    }

    [Fact]
    public void Normal_float_is_the_published_sixteen_numbers()
    {
        double[] published =
        [
            -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
            0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
        ];

        CodeTable.NF4.Values.Should().Equal(published.Select(value => (float)value));
    }

    [Fact]
    public void Midpoints_lie_between_the_values()
    {
        foreach (var table in new[] { CodeTable.Dynamic8Signed, CodeTable.Dynamic8Unsigned, CodeTable.Dynamic4Signed, CodeTable.Linear4Unsigned, CodeTable.NF4,
            CodeTable.Linear8Signed })
        {
            table.Midpoints.Should().HaveCount(table.Values.Count - 1);
            table.Midpoints.Select((middle, i) => middle > table.Values[i] && middle < table.Values[i + 1]).Should().AllBeEquivalentTo(true);
        }
    }

    [Fact]
    public void Zero_is_exact_where_a_first_moment_is_stored()
    {
        CodeTable.Dynamic8Signed.Values[127].Should().Be(0);
        CodeTable.Dynamic8Unsigned.Values[0].Should().Be(0);
        CodeTable.Dynamic4Signed.Values[7].Should().Be(0);
        CodeTable.Linear4Unsigned.Values.Should().NotContain(0);
    }
}
