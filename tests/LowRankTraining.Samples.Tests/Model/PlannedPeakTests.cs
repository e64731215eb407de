using FluentAssertions;
using LanguageModel.Model;
using LowRankTraining.ByteCounting;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Model;

/// <summary>What a plan says of the most bytes at once, against those that are counted while a model is trained.</summary>
public class PlannedPeakTests
{
    private const int Batch = 2, Sequence = 192, Steps = 3, Refreshing = 2;

    private static readonly LlamaConfig Config = LlamaConfigs.Find("20m") with { Vocabulary = 2048, Layers = 6 };

    private static Dictionary<string, UpdateMethod> Named { get; } = new()
    {
        ["galore"] = new GaLore { Rank = 64, RefreshEvery = Refreshing },
        ["8-bit"] = new GaLore { Rank = 64, RefreshEvery = Refreshing, States = StateFormat.Blockwise8Bit, TableStates = StateFormat.Blockwise8Bit },
        ["kept"] = new GaLore { Rank = 64, RefreshEvery = Refreshing, KeepsRemainders = true },
        ["adam"] = Recipe.Of("adam", new AdamRule()),
        ["fira"] = new Fira { Rank = 64, RefreshEvery = Refreshing },
    };

    [Theory]
    [InlineData("galore", GradientFlow.Whole, ScalarType.Float32, false)]
    [InlineData("galore", GradientFlow.Projected, ScalarType.Float32, false)]
    [InlineData("galore", GradientFlow.Projected, ScalarType.Float32, true)]
    [InlineData("8-bit", GradientFlow.Whole, ScalarType.BFloat16, false)]
    [InlineData("8-bit", GradientFlow.Projected, ScalarType.BFloat16, false)]
    [InlineData("8-bit", GradientFlow.Stepped, ScalarType.BFloat16, true)]
    [InlineData("kept", GradientFlow.Projected, ScalarType.BFloat16, false)]
    [InlineData("adam", GradientFlow.Whole, ScalarType.Float32, false)]
    [InlineData("adam", GradientFlow.Stepped, ScalarType.Float32, true)]
    [InlineData("fira", GradientFlow.Stepped, ScalarType.Float32, false)]
    public void Peak_is_within_a_twentieth_of_what_is_counted(string name, GradientFlow flow, ScalarType type, bool checkpoints) =>
        Compare(name, flow, type, checkpoints, window: 1);

    [Theory]
    [InlineData("galore", GradientFlow.Projected, ScalarType.Float32)]
    [InlineData("8-bit", GradientFlow.Whole, ScalarType.BFloat16)]
    public void Gradients_of_micro_batches_before_are_planned_beside_the_activations(string name, GradientFlow flow, ScalarType type) =>
        Compare(name, flow, type, checkpoints: false, window: 3);

    private static void Compare(string name, GradientFlow flow, ScalarType type, bool checkpoints, int window)
    {
        if (!ByteCounter.IsAvailable)
            return;

        var before = ByteCounter.Live;
        using var model = Llama.Create(Config, seed: 1, CPU, type);
        model.CheckpointsActivations = checkpoints;
        using var optimizer = Named[name].Attach(model, gradients: flow).CreateOptimizer(0.001);
        var activations = new LlamaActivations(Config, Batch * Sequence, type, checkpoints);
        var planned = MemoryPlan.For(model, Named[name], gradients: flow)
            .PeakBytes(activations.LayerBytes, activations.PassingBytes, accumulates: window > 1);

        for (var step = 0; step < Steps; step++)
        {
            if (step == 1)
                ByteCounter.ResetPeak();
            Train(model, optimizer, step, window);
        }

        (planned / (double)(ByteCounter.Peak - before)).Should().BeInRange(0.95, 1.05);
    }

    [Fact]
    public void Plan_for_shapes_is_that_for_the_model_in_every_flow()
    {
        using var model = Llama.Create(Config, seed: 1, CPU, ScalarType.BFloat16);
        var shapes = model.named_parameters().Select(pair => (pair.name, pair.parameter.shape)).ToArray();
        foreach (var flow in Enum.GetValues<GradientFlow>())
        {
            using var session = Named["8-bit"].Attach(model, gradients: flow);
            var (ofModel, ofShapes) =
                (MemoryPlan.For(model, Named["8-bit"], gradients: flow), MemoryPlan.For(shapes, Named["8-bit"], ScalarType.BFloat16, gradients: flow));

            (ofShapes.GradientBytes, ofShapes.PeakBytes()).Should().Be((ofModel.GradientBytes, ofModel.PeakBytes()));
            MemoryPlan.For(session).PeakBytes().Should().Be(ofModel.PeakBytes(), flow.ToString());
        }
    }

    private static void Train(Llama model, LowRankOptimizer optimizer, int step, int window)
    {
        using var generator = new Generator((ulong)step, CPU);
        model.zero_grad();
        for (var batch = 0; batch < window; batch++)
        {
            using var scope = NewDisposeScope();
            var tokens = randint(0, Config.Vocabulary, [Batch, Sequence + 1], ScalarType.Int64, generator: generator);
            model.Loss(tokens[.., ..^1], tokens[.., 1..].contiguous()).backward();
        }

        optimizer.step();
    }
}
