using FluentAssertions;
using LanguageModel.Methods;
using LanguageModel.Model;
using LowRankTraining.ByteCounting;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Model;

/// <summary>Layers that are run once more in the backward pass.</summary>
public sealed class CheckpointedLayerTests : IDisposable
{
    private const int Steps = 6;

    private static readonly LlamaConfig Tiny = LlamaConfigs.Find("tiny") with { Vocabulary = 256 };

    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Models => ["llama", "gpt2", "llama bfloat16"];

    [Theory, MemberData(nameof(Models))]
    public void Losses_and_gradients_are_the_same_to_the_bit(string name)
    {
        using CausalLanguageModel plain = Model(name), checkpointed = Model(name);
        checkpointed.CheckpointsActivations = true;

        var (expected, actual) = (Backward(plain, 1), Backward(checkpointed, 1));

        actual.Should().Be(expected);
        foreach (var ((parameter, one), (_, other)) in plain.named_parameters().Zip(checkpointed.named_parameters()))
            other.grad!.equal(one.grad!).all().ToBoolean().Should().BeTrue(parameter);
    }

    /// <summary>Whatever draws from the global generator: dropout, for one.</summary>
    [Fact]
    public void Random_numbers_are_the_same_in_both_runs_of_a_layer()
    {
        using CausalLanguageModel plain = Model("llama"), checkpointed = Model("llama");
        checkpointed.CheckpointsActivations = true;
        foreach (var model in new[] { plain, checkpointed })
            foreach (var (_, module) in model.named_modules().Where(pair => pair.name.EndsWith("up_proj", StringComparison.Ordinal)))
                ((Linear)module).register_forward_hook((_, _, output) => nn.functional.dropout(output, 0.3));

        manual_seed(5);
        var (expected, next) = (Backward(plain, 1), rand(4));
        manual_seed(5);

        Backward(checkpointed, 1).Should().Be(expected);
        rand(4).equal(next).all().ToBoolean().Should().BeTrue("the second run leaves the generator as it was");
        foreach (var ((parameter, one), (_, other)) in plain.named_parameters().Zip(checkpointed.named_parameters()))
            other.grad!.equal(one.grad!).all().ToBoolean().Should().BeTrue(parameter);
    }

    [Fact]
    public void Dropout_before_factors_is_the_same_in_both_runs()
    {
        using CausalLanguageModel plain = Model("llama"), checkpointed = Model("llama");
        checkpointed.CheckpointsActivations = true;
        var method = new LoRA { Rank = 4, Dropout = 0.3 };
        using var one = method.Attach(plain).CreateOptimizer(0.01);
        using var other = method.Attach(checkpointed).CreateOptimizer(0.01);

        for (var step = 0; step < Steps; step++)
        {
            one.zero_grad();
            other.zero_grad();
            foreach (var batch in new[] { 2 * step, 2 * step + 1 })
                Backward(checkpointed, batch).Should().Be(Backward(plain, batch));
            one.step();
            other.step();
        }

        foreach (var ((parameter, weight), (_, same)) in plain.named_parameters().Zip(checkpointed.named_parameters()))
            same.equal(weight).all().ToBoolean().Should().BeTrue(parameter);
    }

    [Theory]
    [InlineData(GradientFlow.Whole)]
    [InlineData(GradientFlow.Projected)]
    [InlineData(GradientFlow.Stepped)]
    public void Runs_of_every_flow_are_the_same_to_the_bit(GradientFlow flow)
    {
        using CausalLanguageModel plain = Model("llama"), checkpointed = Model("llama");
        checkpointed.CheckpointsActivations = true;
        var method = new GaLore { Rank = 8, RefreshEvery = 3 };
        using var one = method.Attach(plain, gradients: flow).CreateOptimizer(0.01);
        using var other = method.Attach(checkpointed, gradients: flow).CreateOptimizer(0.01);

        for (var step = 0; step < Steps; step++)
        {
            one.zero_grad();
            other.zero_grad();
            Backward(checkpointed, step).Should().Be(Backward(plain, step));
            one.step();
            other.step();
        }

        other.SkippedUpdates.Should().Be(0);
        other.Refreshes.Should().Be(one.Refreshes).And.BeGreaterThan(0);
    }

    [Fact]
    public void Layers_above_a_frozen_embedding_are_trained()
    {
        using var model = Model("llama");
        model.CheckpointsActivations = true;
        model.get_parameter("model.embed_tokens.weight")!.requires_grad = false;

        Backward(model, 1);

        model.named_parameters().Where(pair => pair.parameter.requires_grad).Should().AllSatisfy(pair => pair.parameter.grad.Should().NotBeNull(pair.name));
    }

    [Fact]
    public void Less_is_kept_than_without()
    {
        if (!ByteCounter.IsAvailable)
            return;

        using var model = new Llama(Tiny with { Layers = 8 }, seed: 1);
        Backward(model, 1);
        var plain = Peak(() => Backward(model, 1));
        model.CheckpointsActivations = true;

        Peak(() => Backward(model, 1)).Should().BeLessThan(plain / 2);
    }

    [Fact]
    public void Layer_more_is_its_input_more()
    {
        if (!ByteCounter.IsAvailable)
            return;

        const int Tokens = 2 * 32;
        (PeakOfForward(8) - PeakOfForward(4)).Should().BeInRange(4 * 4 * Tokens * Tiny.Hidden, 4 * (4 * Tokens * Tiny.Hidden + 128));

        static long PeakOfForward(int layers)
        {
            using var model = new Llama(Tiny with { Layers = layers }, seed: 1) { CheckpointsActivations = true };
            using var tokens = randint(0, 256, [2, Tokens / 2], ScalarType.Int64);
            model.call(tokens).Dispose();
            return Peak(() => model.call(tokens).Dispose());
        }
    }

    [Fact]
    public void Exception_in_the_second_run_is_thrown_by_the_next_forward_pass()
    {
        using var model = Model("llama");
        model.CheckpointsActivations = true;
        var layer = (Linear)model.named_modules().Single(pair => pair.name == "model.layers.1.mlp.up_proj").module;
        var runs = 0;
        var hook = layer.register_forward_hook((_, _, output) => ++runs == 2 ? throw new InvalidOperationException("The second run fails.") : output);

        Backward(model, 1);
        hook.remove();

        FluentActions.Invoking(() => Backward(model, 1)).Should().Throw<InvalidOperationException>().WithMessage("The second run fails.");
        Backward(model, 1).Should().BeGreaterThan(0);
    }

    private static CausalLanguageModel Model(string name) => name switch
    {
        "gpt2" => new Gpt2(new Gpt2Config { Vocabulary = 256, Hidden = 64, Layers = 2, Heads = 2, Positions = 64 }, seed: 1),
        "llama" => Llama.Create(Tiny, seed: 1, CPU, ScalarType.Float32),
        _ => Llama.Create(Tiny, seed: 1, CPU, ScalarType.BFloat16),
    };

    private static double Backward(CausalLanguageModel model, int batch)
    {
        using var inner = NewDisposeScope();
        using var generator = new Generator((ulong)batch, CPU);
        var tokens = randint(0, 256, [2, 33], ScalarType.Int64, generator: generator);
        var loss = model.Loss(tokens[.., ..^1], tokens[.., 1..].contiguous());
        loss.backward();
        return loss.ToDouble();
    }

    private static long Peak(Action action)
    {
        var before = ByteCounter.Live;
        ByteCounter.ResetPeak();
        action();
        return ByteCounter.Peak - before;
    }
}
