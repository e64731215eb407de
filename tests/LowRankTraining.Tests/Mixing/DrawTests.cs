using FluentAssertions;
using LowRankTraining.Mixing;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Mixing;

/// <summary>Draws, and what is refused.</summary>
public class DrawTests
{
    [Fact]
    public void Draws_follow_the_proportions()
    {
        using var mixer = new FixedMixer(["web", "books", "code", "none"], [6, 3, 1, 0], seed: 3);

        var drawn = Enumerable.Range(0, 20_000).Select(_ => mixer.Next().Source).CountBy(source => source).ToDictionary();

        drawn.Should().NotContainKey("none");
        (drawn["web"] / 20_000.0).Should().BeApproximately(0.6, 0.015);
        (drawn["books"] / 20_000.0).Should().BeApproximately(0.3, 0.015);
        mixer.Mixture.Select(share => share.Draws).Should().Equal(drawn["web"], drawn["books"], drawn["code"], 0);
        mixer.Mixture.Should().OnlyContain(share => share.Reward == null);
    }

    [Fact]
    public void Draws_depend_on_the_seed_and_nothing_else()
    {
        using var one = new FixedMixer(["a", "b"], seed: 3);
        using var same = new FixedMixer(["a", "b"], seed: 3);
        using var other = new FixedMixer(["a", "b"], seed: 4);

        var draws = Take(one);
        manual_seed(1);
        Take(same).Should().Equal(draws);
        Take(other).Should().NotEqual(draws);
    }

    [Fact]
    public void Draws_of_a_source_are_numbered()
    {
        using var mixer = new FixedMixer(["a", "b", "c"]);

        foreach (var source in Take(mixer).GroupBy(draw => draw.Source))
            source.Select(draw => draw.Index).Should().Equal(Enumerable.Range(0, source.Count()).Select(index => (long)index));
    }

    [Theory]
    [InlineData("*at least two*", "web")]
    [InlineData("*at least two*")]
    [InlineData("*two sources called 'web'*", "web", "books", "web")]
    [InlineData("*no name*", "web", "")]
    public void Names_that_are_no_good_are_refused(string message, params string[] names)
    {
        var make = () => new FixedMixer(names);

        make.Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Theory]
    [InlineData("*2 sources and 3 proportions*", 1.0, 1.0, 1.0)]
    [InlineData("*finite*", 0.0, 0.0)]
    [InlineData("*finite*", 2.0, -1.0)]
    [InlineData("*finite*", double.NaN, 1.0)]
    public void Proportions_that_are_no_good_are_refused(string message, params double[] proportions)
    {
        var make = () => new FixedMixer(["a", "b"], proportions);

        make.Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Fact]
    public void Every_option_out_of_range_is_named()
    {
        var make = () => new Rehearsal(2, new() { Temperature = 0, Floor = 1.5, LearningRate = -1, BaselineDecay = 1, UpdateEvery = 0 }, warmup: -1);

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(6);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void Floor_is_a_share(double floor)
    {
        var make = () => new Rehearsal(2, new() { Floor = floor });

        make.Should().Throw<OptionsValidationException>().WithMessage("*Floor is *at least 0 and at most 1.");
    }

    [Fact]
    public void Unknown_source_is_refused_before_anything_is_run()
    {
        using var rehearsal = new Rehearsal(2);
        var observe = () => rehearsal.Add("c", 1, 1);

        observe.Should().Throw<ArgumentException>().WithMessage("There is no source 'c'. The sources are 'a', 'b'.*");
        rehearsal.Parameter.grad.Should().BeNull();
    }

    [Fact]
    public void Target_that_is_no_source_is_refused()
    {
        var make = () => new Rehearsal(2, new() { Targets = ["a", "c"] });

        make.Should().Throw<ArgumentException>().WithMessage("There is no source 'c'.*");
    }

    [Fact]
    public void Update_without_a_backward_pass_is_refused()
    {
        using var rehearsal = new Rehearsal(2);

        rehearsal.Mixer.Invoking(mixer => mixer.Update()).Should().Throw<InvalidOperationException>().WithMessage("*Observe*");
        rehearsal.Mixer.CompletedUpdates.Should().Be(0);
    }

    [Fact]
    public void View_of_nothing_is_refused()
    {
        using var flatten = nn.Flatten();

        ((Action)(() => GradientView.Of(flatten))).Should().Throw<ArgumentException>().WithMessage("*no trainable parameters*");
        ((Action)(() => GradientView.Of(Array.Empty<Parameter>()))).Should().Throw<ArgumentException>();
        using var parameter = new Parameter(zeros(3));
        ((Action)(() => GradientView.Sketch([parameter], dimensions: 0))).Should().Throw<ArgumentOutOfRangeException>();
    }

    private static (string Source, long Index)[] Take(FixedMixer mixer) => [.. Enumerable.Range(0, 100).Select(_ => mixer.Next())];
}
