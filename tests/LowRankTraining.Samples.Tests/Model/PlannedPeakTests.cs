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
        Compare(Named[name], flow, type, checkpoints, window: 1);

    [Theory]
    [InlineData("galore", GradientFlow.Projected, ScalarType.Float32)]
    [InlineData("8-bit", GradientFlow.Whole, ScalarType.BFloat16)]
    public void Gradients_of_micro_batches_before_are_planned_beside_the_activations(string name, GradientFlow flow, ScalarType type) =>
        Compare(Named[name], flow, type, checkpoints: false, window: 3);

    [Theory]
    [MemberData(nameof(FactorMethods))]
    public void Layers_of_factors_are_planned_with_what_they_keep(string method, ScalarType type, bool checkpoints) =>
        Compare(LowRankStrategies.Parse(method), GradientFlow.Whole, type, checkpoints, window: 1);

    public static TheoryData<string, ScalarType, bool> FactorMethods()
    {
        var data = new TheoryData<string, ScalarType, bool>();
        string[] methods = ["lora", "dora", "prilora", "relora", "switchlora", "sltrain", "cola", "factorized", "inrank", "spectron"];
        foreach (var method in methods.SelectMany(_ => new[] { 128, 16 }, (name, rank) => $$"""{ "Method": "{{name}}", "Rank": {{rank}} }"""))
        {
            data.Add(method, ScalarType.Float32, false);
            data.Add(method, ScalarType.BFloat16, false);
            data.Add(method, ScalarType.BFloat16, true);
        }

        return data;
    }

    private static void Compare(ILowRankStrategy method, GradientFlow flow, ScalarType type, bool checkpoints, int window)
    {
        if (!ByteCounter.IsAvailable)
            return;

        // What tests before have left to the collector is not to be freed meanwhile.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = ByteCounter.Live;
        using var model = Llama.Create(Config, seed: 1, CPU, type);
        model.CheckpointsActivations = checkpoints;
        var plan = MemoryPlan.For(model, method, gradients: flow);
        using var optimizer = method.Attach(model, gradients: flow).CreateOptimizer(0.001);
        var activations = new LlamaActivations(Config, Batch * Sequence, type, checkpoints)
        {
            IsFrozen = !model.get_parameter("model.norm.weight")!.requires_grad,
            FactorBytes = plan.ActivationBytes(Batch * Sequence),
        };
        var planned = plan.PeakBytes(activations.LayerBytes, activations.PassingBytes, window > 1, activations.RerunBytes);

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
