using FluentAssertions;
using LanguageModel.Model;
using LowRankTraining.ByteCounting;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Model;

public class MadeInPlaceTests
{
    private static readonly LlamaConfig Config = LlamaConfigs.Find("9m") with { Vocabulary = 256, Layers = 12 };
    private static readonly QGaLore Method = new() { Rank = 16 };

    [Fact]
    public void No_more_than_one_layer_is_ever_there_in_full()
    {
        if (!ByteCounter.IsAvailable)
            return;

        var before = ByteCounter.Live;
        ByteCounter.ResetPeak();
        using var model = new Llama(Config, seed: 1, layer => Method.Quantize(layer));
        using var session = Method.Attach(model);
        var (peak, live) = (ByteCounter.Peak - before, ByteCounter.Live - before);

        var layer = sizeof(float) * Config.ProjectionParameters / Config.Layers;
        live.Should().BeLessThan(MemoryPlan.For(session).WeightBytes + layer / 10);
        peak.Should().BeLessThan(live + layer + layer / 10).And.BeLessThan(sizeof(float) * Config.Parameters / 2);
    }

    [Fact]
    public void Weights_are_those_of_a_model_that_is_quantized_when_it_is_complete()
    {
        using var parts = new Llama(Config, seed: 1, layer => Method.Quantize(layer));
        using var whole = new Llama(Config, seed: 1, _ => { });
        using var ofParts = Method.Attach(parts);
        using var ofWhole = Method.Attach(whole);
        using var guard = no_grad();
        using var tokens = arange(64, ScalarType.Int64).view(1, 64);

        using var difference = parts.call(tokens) - whole.call(tokens);

        difference.abs().max().item<float>().Should().Be(0);
    }
}
