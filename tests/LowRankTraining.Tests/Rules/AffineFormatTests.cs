using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class AffineFormatTests
{
    [Theory]
    [InlineData(256, 1)]
    [InlineData(255, 1)]
    [InlineData(257, 2)]
    [InlineData(7, 1)]
    public void Two_numbers_share_a_byte_and_every_group_has_five_more(int numbers, int groups)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var slot = new MomentSlot("basis", 0) { Format = StateFormat.Affine4Bit with { Threshold = 1 } };
        var value = rand(numbers, 1) - 0.5;

        slot.Write(state, value, new() { Step = 1 });

        state.Bytes.Should().Be((numbers + 1) / 2 + 5 * groups);
        (slot.Read(state, value) - value).abs().max().ToDouble().Should().BeLessThan(1.0 / 15 / 2 + 1e-6);
        slot.Remove(state);
        state.Bytes.Should().Be(0);
    }

    [Fact]
    public void Below_the_threshold_nothing_is_converted()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var slot = new MomentSlot("basis", 0) { Format = StateFormat.Affine4Bit };
        var value = rand(4095);

        slot.Write(state, value.clone(), new() { Step = 1 });

        slot.Read(state, value).allclose(value, 0, 0).Should().BeTrue();
        state.Bytes.Should().Be(4 * 4095);
    }

    [Fact]
    public void Group_must_be_even_and_is_part_of_the_layout()
    {
        FluentActions.Invoking(() => StateFormat.Affine4Bit with { Group = 3 }).Should().Throw<ArgumentException>().WithMessage("*even*");
        (StateFormat.Affine4Bit with { Group = 64 }).ToString().Should().NotBe(StateFormat.Affine4Bit.ToString());
    }
}
