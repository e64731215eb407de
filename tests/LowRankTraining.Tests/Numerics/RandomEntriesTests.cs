using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

public class RandomEntriesTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(9, 9)]
    [InlineData(19, 192)]
    [InlineData(1000, 1009)]
    [InlineData(30_000, 1_000_003)]
    public void Numbers_are_as_many_as_asked_for_different_ascending_and_in_range(long count, long size)
    {
        var drawn = Drawn(count, size, key: 5);

        drawn.Should().HaveCount((int)count).And.BeInAscendingOrder().And.OnlyHaveUniqueItems();
        drawn.Should().NotContain(number => number < 0 || number >= size);
    }

    [Fact]
    public void Key_alone_decides_and_a_longer_draw_holds_a_shorter_one()
    {
        var drawn = Drawn(500, 20_000, key: 1);

        Drawn(500, 20_000, key: 1).Should().Equal(drawn);
        Drawn(500, 20_000, key: 2).Intersect(drawn).Count().Should().BeLessThan(50);
        Drawn(800, 20_000, key: 1).Should().Contain(drawn);
    }

    /// <summary>Recorded: a run that goes on must draw what it drew before, on every machine and in every version.</summary>
    [Fact]
    public void Draw_is_the_recorded_one() => Drawn(8, 1000, key: 42).Should().Equal(279, 302, 333, 385, 499, 581, 872, 923);

    [Fact]
    public void More_than_2_to_the_31_numbers_are_drawn_from()
    {
        var drawn = Drawn(4000, 1L << 40, key: 3);

        drawn.Should().OnlyHaveUniqueItems();
        drawn.Average().Should().BeApproximately(Math.Pow(2, 39), 6 * Math.Pow(2, 40) / Math.Sqrt(12 * 4000));
    }

    [Fact]
    public void More_than_there_are_is_refused() =>
        FluentActions.Invoking(() => RandomEntries.Draw(10, 9, key: 0)).Should().Throw<ArgumentOutOfRangeException>();

    /// <summary>Rows, columns, halves of both, runs and diagonals of a matrix hold the numbers that a uniform draw gives them: χ² within five standard
    /// deviations of its mean.</summary>
    [Theory]
    [InlineData(96, 160, 0.03)]
    [InlineData(160, 96, 0.2)]
    [InlineData(1, 20_000, 0.05)]
    [InlineData(128, 128, 0.5)]
    public void Draw_is_uniform(long rows, long columns, double density)
    {
        var (size, count) = (rows * columns, (long)(density * rows * columns));
        Func<long, long>[] partitions =
        [
            number => number / columns, number => number % columns, number => number * 64 / size, number => number % 7,
            number => (number / columns + number % columns) % 31, number => number / columns * 5 / rows * 5 + number % columns * 5 / columns,
        ];

        foreach (var part in partitions)
        {
            var expected = Range(size).GroupBy(part).ToDictionary(group => group.Key, group => (double)group.Count());
            var (cells, sum) = (expected.Count, 0.0);
            const int Draws = 20;
            for (ulong key = 0; key < Draws; key++)
            {
                var found = Drawn(count, size, key).GroupBy(part).ToDictionary(group => group.Key, group => group.Count());
                sum += expected.Sum(cell =>
                    Math.Pow(found.GetValueOrDefault(cell.Key) - cell.Value * count / size, 2) / (cell.Value * count / size * (1 - (double)count / size)));
            }

            var freedom = Draws * Math.Max(0, cells - 1);
            sum.Should().BeInRange(freedom - 5 * Math.Sqrt(2 * freedom) - 1e-9, freedom + 5 * Math.Sqrt(2 * freedom) + 1e-9, "there are {0} cells", cells);
        }
    }

    /// <summary>Neighbors are both drawn as often as any other two.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(101)]
    public void Neighbors_are_no_more_likely_than_others(long distance)
    {
        const long Size = 10_000, Count = 500;
        var pairs = Enumerable.Range(0, 40).Sum(key =>
        {
            var drawn = Drawn(Count, Size, (ulong)key).ToHashSet();
            return drawn.Count(number => drawn.Contains(number + distance));
        });

        var expected = 40.0 * Count * Count / Size * (Size - distance) / Size;
        ((double)pairs).Should().BeApproximately(expected, 5 * Math.Sqrt(expected));
    }

    private static IEnumerable<long> Range(long size) => Enumerable.Range(0, (int)size).Select(number => (long)number);

    private static long[] Drawn(long count, long size, ulong key)
    {
        using var drawn = RandomEntries.Draw(count, size, key);
        return [.. drawn.data<long>()];
    }
}
