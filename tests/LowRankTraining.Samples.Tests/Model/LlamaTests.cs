using FluentAssertions;
using LanguageModel.Model;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Model;

public sealed class LlamaTests : IDisposable
{
    private static readonly LlamaConfig Tiny = LlamaConfigs.Find("tiny") with { Vocabulary = 256 };

    private static readonly string[] PartsOfLayer =
    [
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
        "input_layernorm", "post_attention_layernorm",
    ];

    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData("tiny", 256)]
    [InlineData("9m", 256)]
    [InlineData("60m", 32_000)]
    public void Model_has_as_many_parameters_as_its_configuration_says(string name, int vocabulary)
    {
        var config = LlamaConfigs.Find(name) with { Vocabulary = vocabulary };
        using var model = new Llama(config, seed: 1);

        model.parameters().Sum(parameter => parameter.numel()).Should().Be(config.Parameters);
    }

    [Fact]
    public void Modules_are_named_as_in_published_checkpoints()
    {
        using var model = new Llama(Tiny, seed: 1);

        model.named_parameters().Select(parameter => parameter.name).Should().BeEquivalentTo(
            Enumerable.Range(0, 2)
                .SelectMany(layer => PartsOfLayer.Select(part => $"model.layers.{layer}.{part}.weight"))
                .Concat(["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]));
    }

    [Fact]
    public void Changing_a_later_token_does_not_change_earlier_logits()
    {
        using var model = new Llama(Tiny, seed: 1);
        var tokens = Enumerable.Range(0, 24).Select(place => (long)(place * 37 % 256)).ToArray();
        var changed = tokens.ToArray();
        changed[15] = (changed[15] + 100) % 256;

        var (before, after) = (Logits(model, tokens), Logits(model, changed));

        before[..15].Should().BeEquivalentTo(after[..15], options => options.WithStrictOrdering());
        for (var position = 15; position < 24; position++)
            before[position].Should().NotEqual(after[position], "token 15 is seen from position {0}", position);
    }

    [Fact]
    public void Attention_tells_positions_apart()
    {
        using var model = new Llama(Tiny, seed: 1);

        var logits = Logits(model, [5, 9, 7, 9]);
        var swapped = Logits(model, [9, 5, 7, 9]);

        logits[3].Should().NotEqual(swapped[3], "the same tokens stand in another order");
    }

    [Fact]
    public void Rotation_keeps_lengths_and_sees_only_distances()
    {
        using var rotary = new RotaryPositions(headDimension: 8, rotaryBase: 10_000);
        manual_seed(3);
        var (query, key) = (randn(8), randn(8));

        // The same pair of vectors at every position: scores may depend on how far apart they are, and on nothing else.
        var queries = rotary.Turn(query.expand(1, 12, 1, 8).clone()).view(12, 8);
        var keys = rotary.Turn(key.expand(1, 12, 1, 8).clone()).view(12, 8);
        var scores = queries.matmul(keys.t());

        queries[0].Should().Match<Tensor>(first => first.allclose(query, 1e-5, 1e-6, false));
        queries.square().sum(1).allclose(query.square().sum().expand(12), 1e-5, 1e-6, false).Should().BeTrue();
        scores[7, 3].ToSingle().Should().BeApproximately(scores[9, 5].ToSingle(), 1e-4f);
        scores[7, 3].ToSingle().Should().NotBeApproximately(scores[7, 5].ToSingle(), 1e-3f);
    }

    [Fact]
    public void Norm_gives_root_mean_square_one()
    {
        using var norm = new RmsNorm(16, 1e-6);
        manual_seed(3);

        var normed = norm.call(randn(4, 16) * 30);

        normed.square().mean([1L]).allclose(ones(4), 1e-4, 1e-5, false).Should().BeTrue();
    }

    [Fact]
    public void Untrained_model_finds_every_token_about_equally_likely()
    {
        using var model = new Llama(Tiny, seed: 1);
        var tokens = arange(64, ScalarType.Int64).view(2, 32);

        model.Loss(tokens, tokens).ToDouble().Should().BeApproximately(Math.Log(256), 0.1);
    }

    [Fact]
    public void Same_seed_gives_the_same_weights()
    {
        using var first = new Llama(Tiny, seed: 5);
        using var second = new Llama(Tiny, seed: 5);
        using var other = new Llama(Tiny, seed: 6);

        Logits(first, [1, 2, 3]).Should().BeEquivalentTo(Logits(second, [1, 2, 3]));
        Logits(first, [1, 2, 3])[0].Should().NotEqual(Logits(other, [1, 2, 3])[0]);
    }

    [Fact]
    public void Forward_and_backward_leave_no_tensor_behind()
    {
        using var model = new Llama(Tiny, seed: 1);
        var tokens = zeros(1, 8, ScalarType.Int64);

        using var step = NewDisposeScope();
        using var loss = model.Loss(tokens, tokens);
        step.DisposablesCount.Should().Be(1, "only the loss is left of the forward pass");
    }

    private static float[][] Logits(Llama model, long[] tokens)
    {
        using var frozen = no_grad();
        using var inner = NewDisposeScope();
        var logits = model.call(tensor(tokens).view(1, -1));
        return [.. Enumerable.Range(0, tokens.Length).Select(position => logits[0, position].data<float>().ToArray())];
    }
}
