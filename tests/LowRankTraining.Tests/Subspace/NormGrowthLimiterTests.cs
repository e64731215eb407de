using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class NormGrowthLimiterTests
{
    [Fact]
    public void Norm_grows_by_one_percent_at_most_and_falls_freely() =>
        LetThrough(new NormGrowthLimiter(), 1, 5, 5, 0.5, 5)
            .Should().Equal([1, 1.01, 1.0201, 0.5, 0.505], (actual, expected) => Math.Abs(actual - expected) < 1e-6);

    [Fact]
    public void Zero_norm_does_not_freeze_what_follows() =>
        LetThrough(new NormGrowthLimiter(), 2, 0, 2)[2].Should().BeApproximately(2, 1e-6);

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Broken_norm_is_let_through_as_zero_and_forgotten(double broken)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var limiter = new NormGrowthLimiter();

        limiter.Factor(tensor(2f), state);
        limiter.Factor(tensor((float)broken), state).ToDouble().Should().Be(0);
        limiter.Factor(tensor(2f), state).ToDouble().Should().BeApproximately(1, 1e-6);
    }

    [Fact]
    public void Reference_code_freezes_after_a_zero_norm() =>
        LetThrough(new NormGrowthLimiter { Compatibility = Compatibility.ReferenceCode }, 2, 0, 2)[2].Should().BeApproximately(1.01e-8, 1e-10);

    private static double[] LetThrough(NormGrowthLimiter limiter, params double[] norms)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        return [.. norms.Select(norm => limiter.Factor(tensor((float)norm), state).ToDouble() * norm)];
    }
}
