using FluentAssertions;
using LowRankTraining.Benchmarks.Claims;
using Xunit;

namespace LowRankTraining.Samples.Tests.Claims;

/// <summary>The numbers on the pages are those of the committed results.</summary>
public class ClaimsTests
{
    private static readonly string Repository = Path.Combine(AppContext.BaseDirectory, "repository");

    [Fact]
    public void Pages_say_what_was_measured()
    {
        var results = Results.Read(Repository);
        var claims = ClaimsCommand.Pages(Repository).ToList();

        claims.Select(results.ObjectionTo).OfType<string>().Should().BeEmpty();
        claims.Where(claim => claim.Place.StartsWith("README.md", StringComparison.Ordinal)).Should().HaveCountGreaterThan(10);
        claims.Where(claim => claim.Kind == ClaimKind.Perplexity).Should().HaveCountGreaterThan(100);
        claims.Where(claim => claim.Kind == ClaimKind.Mean).Should().NotBeEmpty();
    }

    [Theory]
    [InlineData("| a step | 1.01 × | <!-- figure: x -->", 1.0104, true)]
    [InlineData("| a step | 1.01 × | <!-- figure: x -->", 1.0151, false)]
    [InlineData("16 % of it <!-- figure: x -->", 0.157, true)]
    [InlineData("16 of them <!-- figure: x -->", 0.157, false)]
    [InlineData("in 18.2 GiB <!-- figure: x -->", 19542101196.8, true)]
    [InlineData("in 18.2 GiB <!-- figure: x -->", 19649475379.2, false)]
    [InlineData("50,594,016 bytes <!-- figure: x -->", 50594016.0, true)]
    [InlineData("LoRA2 <!-- figure: x -->", 2.0, false)]
    public void Claim_says_a_value_that_is_rounded_to_the_digits_shown(string line, double value, bool expected) =>
        Claim.In("page", line).Single().Says(value).Should().Be(expected);

    [Fact]
    public void Name_without_a_result_is_told_with_its_place()
    {
        var claim = Claim.In("README.md", "one\ntwo 2 × <!-- figure: step of nothing -->").Single();

        Results.Read(Repository).ObjectionTo(claim).Should().Be("README.md:2 names 'step of nothing', which is not in the committed results");
    }
}
