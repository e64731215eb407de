using FluentAssertions;
using LowRankTraining.Mixing;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Mixing;

/// <summary>Where the mixture goes.</summary>
public class PolicyTests
{
    [Fact]
    public void Mixture_moves_to_the_source_that_agrees_and_leaves_the_others_their_floor()
    {
        using var rehearsal = new Rehearsal(8, new() { Floor = 0.3, Seed = 5 }, sources: ["useful", "noise", "static"]);
        Train(rehearsal, updates: 600);

        rehearsal.ProbabilityOf("useful").Should().BeGreaterThan(0.75).And.BeLessThanOrEqualTo(0.8, "the others keep 0.1 each");
        rehearsal.ProbabilityOf("noise").Should().BeGreaterThanOrEqualTo(0.1);
        rehearsal.ProbabilityOf("static").Should().BeGreaterThanOrEqualTo(0.1);
        rehearsal.Mixer.Probabilities.Sum().Should().BeApproximately(1, 1e-12);
        rehearsal.Mixer.Mixture.Sum(share => share.Draws).Should().Be(600);
        rehearsal.RewardOf("useful").Should().BeGreaterThan(rehearsal.RewardOf("noise")!.Value);
    }

    [Fact]
    public void Sources_that_agree_alike_share_alike_however_large_their_gradients()
    {
        using var rehearsal = new Rehearsal(4);
        for (var update = 0; update < 300; update++)
        {
            var draw = rehearsal.Mixer.Next();
            var size = draw.Source == "a" ? 0.37f : 411;
            rehearsal.Update(draw.Source, size, -2 * size, size / 3, 0);
        }

        rehearsal.ProbabilityOf("a").Should().BeApproximately(0.5, 1e-3);
    }

    [Fact]
    public void Mixture_comes_back_when_the_tide_turns()
    {
        using var rehearsal = new Rehearsal(8, new() { Floor = 0.5, UpdateEvery = 5 }, sources: ["useful", "noise", "static"]);
        Train(rehearsal, updates: 600);
        rehearsal.ProbabilityOf("useful").Should().BeGreaterThan(0.6);

        Train(rehearsal, updates: 2500, useful: "noise");
        rehearsal.ProbabilityOf("noise").Should().BeGreaterThan(0.6, "the floor has kept it measured");
    }

    [Theory]
    [InlineData(0.25, 0.9)]
    [InlineData(4, 0.6)]
    public void Temperature_tempers(double temperature, double expected)
    {
        using var rehearsal = new Rehearsal(8, new() { Temperature = temperature, Floor = 0 }, sources: ["useful", "noise", "static"]);
        Train(rehearsal, updates: 150);

        if (temperature < 1)
            rehearsal.ProbabilityOf("useful").Should().BeGreaterThan(expected);
        else
            rehearsal.ProbabilityOf("useful").Should().BeLessThan(expected).And.BeGreaterThan(1 / 3.0);
    }

    [Fact]
    public void Full_floor_draws_from_all_alike()
    {
        using var rehearsal = new Rehearsal(8, new() { Floor = 1 }, sources: ["useful", "noise", "static"]);
        Train(rehearsal, updates: 100);

        rehearsal.Mixer.Probabilities.Should().OnlyContain(probability => Math.Abs(probability - 1 / 3.0) < 1e-15);
    }

    [Fact]
    public void Policy_moves_at_the_end_of_its_period_only()
    {
        using var rehearsal = new Rehearsal(8, new() { UpdateEvery = 20 }, sources: ["useful", "noise", "static"]);

        Train(rehearsal, updates: 19);
        rehearsal.ProbabilityOf("useful").Should().Be(1 / 3.0);
        Train(rehearsal, updates: 1);
        rehearsal.ProbabilityOf("useful").Should().NotBe(1 / 3.0);
    }

    [Fact]
    public void Mixture_is_even_while_it_warms_up_and_rewards_are_averaged()
    {
        using var rehearsal = new Rehearsal(8, warmup: 50, sources: ["useful", "noise", "static"]);

        Train(rehearsal, updates: 50);
        rehearsal.Mixer.Probabilities.Should().OnlyContain(probability => Math.Abs(probability - 1 / 3.0) < 1e-15);
        rehearsal.RewardOf("useful").Should().NotBeNull();
        Train(rehearsal, updates: 10);
        rehearsal.ProbabilityOf("useful").Should().BeGreaterThan(1 / 3.0);
    }

    /// <summary>Gradients of one source have a part in common, those of the others nothing.</summary>
    private static void Train(Rehearsal rehearsal, int updates, string useful = "useful")
    {
        for (var update = 0; update < updates; update++)
        {
            var draw = rehearsal.Mixer.Next();
            using var noise = Training.Normal((ulong)(1000 + rehearsal.Mixer.CompletedUpdates), ScalarType.Float32, 8);
            var numbers = noise.data<float>().ToArray();
            numbers[0] += draw.Source == useful ? 2 : 0;
            rehearsal.Update(draw.Source, numbers);
        }
    }
}
