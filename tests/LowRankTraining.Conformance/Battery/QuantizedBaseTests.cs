using FluentAssertions;
using LowRankTraining.ByteCounting;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What a frozen weight in 4 or 8 bits takes, in bytes: at rest, in a product, in a merge.</summary>
public class QuantizedBaseTests
{
    private const int Side = 512, Rank = 4;
    private const long Matrix = Side * Side * 4;

    [CountedTheory]
    [InlineData(BaseFormat.NF4)]
    [InlineData(BaseFormat.Blockwise8Bit)]
    public void No_dense_weight_lives_between_forward_and_backward(BaseFormat format)
    {
        const long Activations = 8 * 8 * Side * 4, Factors = 2 * Side * Rank * 4;
        using var scope = NewDisposeScope();
        using var layer = new QuantizedLowRankLinear(nn.Linear(Side, Side, hasBias: false), Rank, format);
        var input = Problems.Data(8, Side, seed: 1).requires_grad_();
        var before = AtRest();

        var loss = layer.call(input).sum();
        var afterForward = ByteCounter.Live - before;
        loss.backward();
        var afterBackward = ByteCounter.Live - before;

        afterForward.Should().BeLessThanOrEqualTo(Activations);
        afterBackward.Should().BeLessThanOrEqualTo(Activations + Factors);
        ByteCounter.Peak.Should().BeLessThan(before + 2 * Matrix, "one decoded weight at a time");
    }

    [CountedTheory]
    [InlineData(BaseFormat.NF4, 0.5625)]
    [InlineData(BaseFormat.Blockwise8Bit, 1.015625)]
    public void Attached_model_takes_the_bytes_of_the_format(BaseFormat format, double bytesANumber)
    {
        using var scope = NewDisposeScope();
        using var model = new Problems.Chain(4, Side);
        var dense = AtRest();

        using var session = new LoRA { Rank = Rank, Base = format }.Attach(model);

        (AtRest() - dense).Should()
            .BeInRange((long)(4 * ((bytesANumber - 4) * Side * Side + 2 * Side * Rank * 4)),
                (long)(4 * ((bytesANumber - 4) * Side * Side + 2 * Side * Rank * 4)) + 4096);
        session.FrozenBytes.Should().Be((long)(4 * bytesANumber * Side * Side));
    }

    [CountedTheory]
    [InlineData(BaseFormat.NF4, MergeRounding.Stochastic)]
    [InlineData(BaseFormat.NF4, MergeRounding.CarryResidual)]
    [InlineData(BaseFormat.Blockwise8Bit, MergeRounding.Stochastic)]
    [InlineData(BaseFormat.Dense, MergeRounding.Stochastic)]
    public void Merge_needs_no_more_than_one_matrix_however_many_there_are(BaseFormat format, MergeRounding rounding)
    {
        PeakOfMerge(format, rounding, matrices: 2).Should().BeLessThanOrEqualTo((rounding == MergeRounding.CarryResidual ? 2 : 1) * Matrix);
        PeakOfMerge(format, rounding, matrices: 6).Should().BeLessThanOrEqualTo(PeakOfMerge(format, rounding, matrices: 2) + Matrix / 8);
    }

    private static long PeakOfMerge(BaseFormat format, MergeRounding rounding, int matrices)
    {
        using var scope = NewDisposeScope();
        using var model = new Problems.Chain(matrices, Side);
        using var optimizer = new ReLoRA { Rank = Rank, MergeEvery = 1, Base = format, Rounding = rounding, Reset = OptimizerReset.Zero }.Attach(model)
            .CreateOptimizer();
        var before = AtRest();

        optimizer.step();

        return ByteCounter.Peak - before;
    }

    private static long AtRest()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        ByteCounter.ResetPeak();
        return ByteCounter.Live;
    }
}
