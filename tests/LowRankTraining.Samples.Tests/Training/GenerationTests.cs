using FluentAssertions;
using LanguageModel.Model;
using LanguageModel.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Training;

/// <summary>Kept keys and values change how long a token takes, and nothing else.</summary>
public sealed class GenerationTests
{
    private static readonly int[] Prompt = [3, 1, 4, 1, 5, 9, 2, 6];

    public static TheoryData<string, double> Cases => new()
    {
        { "llama", 0 }, { "llama", 1 }, { "llama with shared keys", 0 }, { "llama with shared keys", 1 }, { "gpt2", 0 }, { "gpt2", 1 },
    };

    /// <summary>48 tokens after 8, of models that see 40: the last ones are written after the beginning has been dropped.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void Same_tokens_with_and_without_kept_keys(string kind, double temperature)
    {
        using var model = Model(kind);

        int[] Write(bool keeps) =>
            [.. new Generation(model, CPU) { Temperature = temperature, Seed = 5, KeepsKeyValues = keeps }.Continue(Prompt, 48, ends: [])];

        var tokens = Write(keeps: true);
        tokens.Should().Equal(Write(keeps: false)).And.HaveCount(48);
        tokens.Distinct().Count().Should().BeGreaterThan(3, "a text of one token would show nothing");
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    public void Scores_of_a_text_that_grows_are_those_of_the_whole_text(string kind)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Model(kind);
        var text = tensor(Prompt.Select(token => (long)token).ToArray(), [1, Prompt.Length]);
        var whole = model.call(text);

        using (model.Remember())
        {
            var parts =
                new[] { model.call(text.narrow(1, 0, 5)), model.call(text.narrow(1, 5, 1)), model.call(text.narrow(1, 6, 1)),
                    model.call(text.narrow(1, 7, 1)) };
            (cat(parts, 1) - whole).abs().max().ToDouble().Should().BeLessThan(1e-5 * whole.abs().max().ToDouble());
            model.Invoking(it => it.call(text)).Should().Throw<InvalidOperationException>().WithMessage("*one position at a time*");
        }

        Enumerable.SequenceEqual(model.call(text).data<float>(), whole.data<float>()).Should().BeTrue("what was kept is gone");
    }

    [Fact]
    public void Text_that_is_not_read_to_its_end_leaves_nothing_behind()
    {
        using var model = Model("llama");

        _ = new Generation(model, CPU).Continue(Prompt, 10, ends: []).First();

        model.modules().OfType<IKeepsKeyValues>().Should().NotBeEmpty().And.OnlyContain(layer => layer.Cache == null);
    }

    private static CausalLanguageModel Model(string kind) => kind == "gpt2"
        ? new Gpt2(new Gpt2Config { Hidden = 32, Layers = 2, Heads = 4, Positions = 40, Vocabulary = 50, InitialDeviation = 0.2 }, seed: 1)
        : new Llama(new LlamaConfig
        {
            Name = "tiny", Hidden = 32, Intermediate = 48, Layers = 2, Heads = 4, KeyValueHeads = kind == "llama" ? 4 : 2, Vocabulary = 50, Positions = 40,
            InitialDeviation = 0.2,
        }, seed: 1);
}
