using FluentAssertions;
using LowRankTraining.Numerics;
using Xunit;

namespace LowRankTraining.Tests.Numerics;

public class CodeTableTests
{
    public static TheoryData<CodeTable, int, bool, double, double, double> Tables => new()
    {
        { CodeTable.Dynamic8Signed, 256, true, -0.99296875, 0.99296875, 5.5e-7 },
        { CodeTable.Dynamic8Unsigned, 256, false, 0, 0.996484375, 3.25e-7 },
        { CodeTable.Dynamic4Signed, 16, true, -0.8875, 0.8875, 0.0055 },
        { CodeTable.Linear4Unsigned, 16, false, 0.0625, 0.9375, 0.0625 },
    };

    [Theory]
    [MemberData(nameof(Tables))]
    public void Values_are_the_published_ones(CodeTable table, int count, bool signed, double lowest, double second, double smallestPositive)
    {
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
    public void Midpoints_lie_between_the_values()
    {
        foreach (var table in new[] { CodeTable.Dynamic8Signed, CodeTable.Dynamic8Unsigned, CodeTable.Dynamic4Signed, CodeTable.Linear4Unsigned })
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
