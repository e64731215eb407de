using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>Adam in the processor's own memory against Adam by operations on tensors, which float64 still takes.</summary>
public class HostAdamTests
{
    private static readonly AdamRule Rule = new() { Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-3 };

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 3)]
    [InlineData(64, 33)]
    [InlineData(1100, 600)] // enough to be shared by threads
    public void Spans_compute_what_tensors_do(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using StateBag single = new(), precise = new();
        var (narrow, wide) = (zeros(rows, columns), zeros(rows, columns, ScalarType.Float64));

        for (var t = 1; t <= 3; t++)
        {
            var gradient = Draw.Normal(rows, columns, (ulong)t);
            Rule.AddUpdate(gradient.to(ScalarType.Float32), narrow, -0.5, single, new StepContext { Step = t });
            Rule.AddUpdate(gradient, wide, -0.5, precise, new StepContext { Step = t });
        }

        Draw.Error(narrow, wide).Should().BeLessThan(1e-6);
        foreach (var moment in new[] { "exp_avg", "exp_avg_sq" })
            Draw.Error(single[moment], precise[moment]).Should().BeLessThan(1e-6);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Direction_in_the_gradients_place_is_the_same(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using StateBag apart = new(), inPlace = new();
        for (var t = 1; t <= 3; t++)
        {
            var gradient = Draw.Normal(7, 5, (ulong)t).to(dtype);
            var (expected, correction) = Rule.Advance(gradient, apart, new() { Step = t });

            var (direction, factor) = Rule.AdvanceInPlace(gradient.clone(), inPlace, new() { Step = t });

            Draw.Error(direction, expected).Should().Be(0);
            factor.Should().Be(correction);
            Draw.Error(gradient, Draw.Normal(7, 5, (ulong)t).to(dtype)).Should().Be(0, "Advance leaves the gradient as it is");
        }
    }

    [Theory]
    [InlineData(8, 256)]
    [InlineData(8, 3000)]
    [InlineData(4, 128)]
    public void Codes_are_those_of_moments_that_are_decoded_and_encoded_as_a_whole(int bits, int block)
    {
        using var scope = NewDisposeScope();
        var format = (bits == 8 ? StateFormat.Blockwise8Bit : StateFormat.Blockwise4Bit) with { Block = block };
        var rule = Rule with { States = format };
        using StateBag inPieces = new(), whole = new();

        for (var t = 1; t <= 4; t++)
        {
            var gradient = Draw.Normal(301, 199, (ulong)t).to(ScalarType.Float32);
            var step = new StepContext { Step = t };
            var (direction, _) = rule.Advance(gradient, inPieces, step);

            var (first, second) = (rule.Moments[0], rule.Moments[1]);
            using var mean = first.Read(whole, gradient).mul(0.8f).add(gradient.mul((float)(1 - 0.8)));
            using var square = second.Read(whole, gradient).mul(0.95f).add(gradient.square().mul((float)(1 - 0.95)));
            first.Write(whole, mean, step);
            second.Write(whole, square, step);

            foreach (var name in whole.Tensors.Keys)
                AreSame(inPieces[name], whole[name]).Should().BeTrue("{0} in step {1}", name, t);
            Draw.Error(direction, (mean / (square.sqrt() + 1e-3 * Math.Sqrt(1 - Math.Pow(0.95, t)))).to(ScalarType.Float64)).Should().BeLessThan(1e-5);
        }
    }

    [Fact]
    public void Strides_and_threads_change_no_bit()
    {
        using var scope = NewDisposeScope();
        var gradient = Draw.Normal(900, 700, 1).to(ScalarType.Float32);
        var expected = Updated(gradient, zeros(900, 700));

        AreSame(Updated(gradient.t().contiguous().t(), zeros(900, 700)), expected).Should().BeTrue();
        AreSame(Updated(gradient, zeros(700, 900).t()), expected).Should().BeTrue();

        var threads = get_num_threads();
        try
        {
            set_num_threads(threads == 1 ? 2 : 1);
            AreSame(Updated(gradient, zeros(900, 700)), expected).Should().BeTrue();
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private static bool AreSame(Tensor one, Tensor other) => one.eq(other).all().ToBoolean();

    private static Tensor Updated(Tensor gradient, Tensor accumulator)
    {
        using var state = new StateBag();
        for (var t = 1; t <= 2; t++)
            (Rule with { States = StateFormat.Blockwise8Bit }).AddUpdate(gradient, accumulator, -1, state, new StepContext { Step = t });
        return accumulator;
    }
}
