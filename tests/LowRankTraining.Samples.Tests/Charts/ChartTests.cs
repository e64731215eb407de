using System.Xml.Linq;
using Compare.Charts;
using FluentAssertions;
using Xunit;

namespace LowRankTraining.Samples.Tests.Charts;

public class ChartTests
{
    [Fact]
    public void Chart_is_well_formed_whatever_the_names_are()
    {
        var chart = Draw(new Series("A < B & \"C\"", 0, [(0, 1), (10, 2)]));

        var parsed = XDocument.Parse(chart.ToString());
        parsed.Descendants().Should().Contain(element => element.Name.LocalName == "text" && element.Value == "A < B & \"C\"");
    }

    [Fact]
    public void Chart_needs_nothing_from_elsewhere() =>
        Draw(new Series("A", 0, [(0, 1), (10, 2)])).ToString().Should().NotContain("href").And.NotContain("src=").And.NotContain("<script");

    [Fact]
    public void Curve_rises_where_the_values_rise()
    {
        var points = Draw(new Series("A", 0, [(0, 1), (10, 3)])).Descendants().Single(element => element.Name.LocalName == "polyline")
            .Attribute("points")!.Value.Split(' ').Select(pair => pair.Split(',').Select(double.Parse).ToArray()).ToArray();

        points[1][0].Should().BeGreaterThan(points[0][0], "later is further right");
        points[1][1].Should().BeLessThan(points[0][1], "more is further up, and SVG counts down");
    }

    [Theory]
    [InlineData(0, 600_000, new double[] { 0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000 })]
    [InlineData(1.13, 1.62, new[] { 1.2, 1.3, 1.4, 1.5, 1.6 })]
    public void Linear_ticks_are_round_numbers(double low, double high, double[] expected) =>
        Axis.Linear("x", low, high).Ticks.Should()
            .BeEquivalentTo(expected, options =>
                options.Using<double>(pair => pair.Subject.Should().BeApproximately(pair.Expectation, 1e-9)).WhenTypeIs<double>());

    [Theory]
    [InlineData(3, 60, new double[] { 5, 10, 20, 50 })]
    [InlineData(3.3, 16, new double[] { 4, 5, 6, 8, 10, 15 })]
    [InlineData(3.1, 4.4, new[] { 3.2, 3.4, 3.6, 3.8, 4, 4.2, 4.4 })]
    public void Logarithmic_ticks_are_round_numbers_however_wide_the_range(double low, double high, double[] expected) =>
        Axis.Logarithmic("y", low, high).Ticks.Should()
            .BeEquivalentTo(expected, options =>
                options.Using<double>(pair => pair.Subject.Should().BeApproximately(pair.Expectation, 1e-9)).WhenTypeIs<double>());

    [Theory]
    [InlineData(0, "0")]
    [InlineData(1.2, "1.2")]
    [InlineData(250_000, "250k")]
    [InlineData(1_500_000, "1.5M")]
    public void Ticks_are_written_short(double tick, string label) => Axis.Label(tick).Should().Be(label);

    [Fact]
    public void Labels_keep_their_distance_and_stay_inside()
    {
        var heights = Labels.Spread([100, 101, 299, 300], gap: 17, lowest: 300);

        heights.Order().Zip(heights.Order().Skip(1), (upper, lower) => lower - upper).Should().OnlyContain(distance => distance >= 17 - 1e-9);
        heights.Max().Should().BeLessThanOrEqualTo(300);
        heights.Should().BeInAscendingOrder("the order of the curves stays");
    }

    /// <summary>Thirty methods with nearly the same state and perplexity.</summary>
    [Fact]
    public void Dots_that_would_hide_one_another_stand_side_by_side()
    {
        (double X, double Y)[] wanted = [.. Enumerable.Range(0, 30).Select(number => (300.0 + number % 3, 200.0 + number % 7))];

        var places = Labels.Sideways(wanted, gap: 21);

        places[0].Should().Be(wanted[0]);
        places.Select(place => place.Y).Should().Equal(wanted.Select(place => place.Y), "perplexities stay comparable");
        (from one in Enumerable.Range(0, 30) from other in Enumerable.Range(0, one)
         select double.Hypot(places[one].X - places[other].X, places[one].Y - places[other].Y)).Should().OnlyContain(distance => distance >= 21);
        Labels.Sideways([(10, 10), (60, 10)], gap: 21).Should().Equal([(10, 10), (60, 10)], "where there is room nothing moves");
    }

    [Fact]
    public void Names_stay_within_the_chart_however_long_and_many_they_are()
    {
        var series = Enumerable.Range(0, 30).Select(number => new Series($"Online Subspace Descent {number}", 0, [(0, 1), (10, 2)])).ToArray();

        var chart = Draw(series);

        var box = chart.Attribute("viewBox")!.Value.Split(' ').Select(double.Parse).ToArray();
        var names = chart.Descendants().Where(element => element.Attribute("class")?.Value.StartsWith("label", StringComparison.Ordinal) == true).ToList();
        names.Should().HaveCount(30);
        names.Should().OnlyContain(name => (double)name.Attribute("x")! + 7 * name.Value.Length <= box[2]);
        names.Should().OnlyContain(name => (double)name.Attribute("y")! >= 0 && (double)name.Attribute("y")! <= box[3]);
    }

    [Fact]
    public void Smoothing_averages_over_the_neighbors_that_there_are()
    {
        var smooth = new Series("A", 0, [(0, 0), (1, 3), (2, 0), (3, 9)]).Smoothed(reach: 1);

        smooth.Points.Should().Equal((0, 1.5), (1, 1), (2, 4), (3, 4.5));
    }

    private static XElement Draw(params Series[] series) =>
        LineChart.Draw("test", Axis.Linear("x", 0, 10), Axis.Linear("y", 0, 4), series, withDots: true);
}
