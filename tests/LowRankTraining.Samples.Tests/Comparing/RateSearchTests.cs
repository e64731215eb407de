using Compare.Tuning;
using FluentAssertions;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public class RateSearchTests
{
    [Theory]
    [InlineData(1e-3, new[] { 5e-4, 1e-3, 2e-3, 4e-3 })] // 4e-3 is next to the better neighbor
    [InlineData(8e-3, new[] { 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2 })] // goes down until the best has a worse one below
    [InlineData(2.5e-4, new[] { 1.25e-4, 2.5e-4, 5e-4, 1e-3, 2e-3 })]
    public void Search_ends_when_the_best_rate_has_worse_ones_on_either_side(double start, double[] tried)
    {
        var search = Searched(start, rate => Math.Abs(Math.Log(rate / 1.2e-3)));

        search.Best.Should().BeApproximately(1e-3, 1e-9);
        search.Trials.Select(trial => trial.LearningRate).Should().BeEquivalentTo(tried, options => options.WithStrictOrdering());
    }

    [Fact]
    public void Rates_that_diverge_are_worse_than_any_number()
    {
        var search = Searched(1e-2, rate => rate > 5e-3 ? double.NaN : 1 / rate);

        search.Best.Should().Be(5e-3);
        search.Trials.Should().HaveCount(4);
    }

    [Fact]
    public void Search_without_any_number_ends_without_a_rate()
    {
        var search = Searched(1e-2, _ => double.PositiveInfinity);

        search.Best.Should().BeNull();
        search.Trials.Should().HaveCountLessThanOrEqualTo(10);
    }

    private static RateSearch Searched(double start, Func<double, double> perplexity)
    {
        var search = new RateSearch(start);
        while (search.Next() is { } rate)
            search.Add(perplexity(rate));
        return search;
    }
}
