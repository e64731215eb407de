using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Tensors;

public sealed class RandomTests
{
    [Fact]
    public void Equal_seeds_draw_equal_numbers()
    {
        using var one = new Generator(11);
        using var two = new Generator(11);
        randn(5, generator: one).Equals(randn(5, generator: two)).Should().BeTrue();
        randn(5, generator: one).Equals(randn(5, generator: new Generator(12))).Should().BeFalse();
        one.manual_seed(11);
        two.manual_seed(11);
        zeros(4).normal_(0, 1, one).Equals(zeros(4).normal_(0, 1, two)).Should().BeTrue();
        rand(4, generator: one).Equals(rand(4, generator: two)).Should().BeTrue();
        one.initial_seed().Should().Be(11);
    }

    [Fact]
    public void A_saved_state_replays_the_draws()
    {
        using var generator = new Generator(5);
        var state = generator.get_state();
        var first = rand(3, generator: generator);
        generator.set_state(state);
        rand(3, generator: generator).Equals(first).Should().BeTrue();
    }

    [Fact]
    public void A_generator_of_its_own_leaves_the_default_one_alone()
    {
        manual_seed(7);
        var expected = rand(3);
        manual_seed(7);
        using var own = new Generator(1);
        rand(3, generator: own);
        rand(3).Equals(expected).Should().BeTrue();
    }

    [Fact]
    public void Draws_stay_in_their_range()
    {
        var counts = tensor(new float[] { 0, 1, 0 }).multinomial(20, replacement: true);
        counts.eq(1).all().ToBoolean().Should().BeTrue();
        var uniform = zeros(1000).uniform_(2, 3);
        uniform.min().ToSingle().Should().BeGreaterThanOrEqualTo(2);
        uniform.max().ToSingle().Should().BeLessThan(3);
        zeros(1000).bernoulli_(0.5).mean().ToSingle().Should().BeInRange(0.3f, 0.7f);
    }
}
