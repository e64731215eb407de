using FluentAssertions;
using LowRankTraining.ByteCounting;
using LowRankTraining.Layers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What dropout before low-rank factors keeps for the backward pass.</summary>
public class DropoutMemoryTests
{
    [CountedFact]
    public void Neither_mask_nor_masked_input_is_kept()
    {
        const int Side = 256, Rows = 512, Rank = 4;
        using var scope = NewDisposeScope();
        using var layer = new LowRankLinear(nn.Linear(Side, Side, hasBias: false), Rank, dropout: 0.5);
        var input = Problems.Data(Rows, Side, seed: 1);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = ByteCounter.Live;

        var output = layer.call(input);
        var kept = ByteCounter.Live - before;

        // The output itself, and the hidden rows.
        kept.Should().BeInRange(4 * Rows * Side, 4 * Rows * (Side + 2 * Rank) + 4096);
        output.sum().backward();
    }
}
