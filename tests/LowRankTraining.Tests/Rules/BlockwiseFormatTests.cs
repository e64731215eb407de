using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class BlockwiseFormatTests
{
    private static readonly Dictionary<int, BlockwiseFormat> ByBits = new() { [8] = StateFormat.Blockwise8Bit, [4] = StateFormat.Blockwise4Bit };

    [Theory]
    [InlineData(8, 4096 + 4 * 16)]
    [InlineData(4, 2048 + 4 * 32)]
    public void State_from_the_threshold_on_takes_the_bytes_that_the_rule_announces(int bits, long bytes)
    {
        using var scope = NewDisposeScope();
        var rule = new AdamRule { States = ByBits[bits] };

        using var state = After(1, rule, zeros(64, 64));

        state.Bytes.Should().Be(2 * bytes);
        rule.BytesFor([64, 64]).Should().Be(2 * bytes);
        state.Tensors.Keys.Should().Equal("exp_avg", "exp_avg.absmax", "exp_avg_sq", "exp_avg_sq.absmax");
        state["exp_avg"].dtype.Should().Be(ScalarType.Byte);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void State_below_the_threshold_stays_float32(int bits)
    {
        using var scope = NewDisposeScope();
        var rule = new AdamRule { States = ByBits[bits] };

        using var state = After(1, rule, zeros(63, 65));

        state.Tensors.Values.Should().OnlyContain(tensor => tensor.dtype == ScalarType.Float32);
        state.Bytes.Should().Be(2 * 4 * 63 * 65).And.Be(rule.BytesFor([63, 65]));
    }

    [Theory]
    [InlineData(8, 0.03)]
    [InlineData(4, 0.35)]
    public void Adam_goes_about_where_it_goes_with_float32(int bits, double tolerance)
    {
        using var scope = NewDisposeScope();
        var (exact, ours) = (zeros(65, 67), zeros(65, 67));

        using var reference = After(30, new AdamRule(), exact);
        using var state = After(30, new AdamRule { States = ByBits[bits] }, ours);

        ((ours - exact).norm() / exact.norm()).ToDouble().Should().BeInRange(1e-4, tolerance);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Weights_that_never_get_a_gradient_never_move(int bits)
    {
        using var scope = NewDisposeScope();
        var weight = zeros(65, 67);

        using var state = After(50, new AdamRule { States = ByBits[bits] }, weight, frozen: 30);

        weight.narrow(1, 0, 30).eq(0).all().ToBoolean().Should().BeTrue();
        weight.narrow(1, 30, 37).ne(0).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Reset_forgets_codes_and_scales()
    {
        using var scope = NewDisposeScope();
        var rule = new AdamRule { States = StateFormat.Blockwise8Bit };
        using var state = After(1, rule, zeros(64, 64));

        rule.Reset(state);

        state.Tensors.Should().BeEmpty();
        rule.Moments.Should().NotContain(slot => slot.IsIn(state));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void What_was_written_is_read_back_in_computing_precision(int bits)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var slot = new MomentSlot("mean", 1) { Format = ByBits[bits] with { Threshold = 0 } };
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            var value = linspace(-1, 1, 15, dtype).reshape(3, 5);

            slot.Write(state, value, new StepContext { Step = 1 });
            var read = slot.Read(state, value);

            read.dtype.Should().Be(dtype);
            read.shape.Should().Equal(3, 5);
            (read - value).abs().max().ToDouble().Should().BeInRange(1e-4, bits == 8 ? 0.008 : 0.12);
        }
    }

    [Fact]
    public void Blocks_that_cannot_be_are_refused_and_formats_compare_by_what_they_store()
    {
        var odd = () => StateFormat.Blockwise4Bit with { Block = 127 };
        odd.Should().Throw<ArgumentException>().WithMessage("*even*");

        (StateFormat.Blockwise8Bit with { Block = 128 }).Should().NotBe(StateFormat.Blockwise8Bit);
        (StateFormat.Blockwise8Bit with { Block = 256 }).Should().Be(StateFormat.Blockwise8Bit);
        (StateFormat.Blockwise8Bit with { Threshold = 1 }).ToString().Should().NotBe(StateFormat.Blockwise8Bit.ToString());
    }

    /// <summary>Gradients with a steady part and noise; the first columns can be left without any.</summary>
    private static StateBag After(int steps, AdamRule rule, Tensor weight, int frozen = 0)
    {
        using var generator = new Generator(4, CPU);
        var state = new StateBag();
        var steady = randn(weight.shape, generator: generator);
        for (var t = 1; t <= steps; t++)
        {
            using var scope = NewDisposeScope();
            var gradient = randn(weight.shape, generator: generator).add_(steady);
            gradient.narrow(1, 0, frozen).zero_();
            rule.AddUpdate(gradient, weight, -0.01, state, new StepContext { Step = t });
        }

        return state;
    }
}
