using FluentAssertions;
using LanguageModel;
using LanguageModel.Data;
using LanguageModel.Tokens;
using LanguageModel.Training;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Data;

public class CorpusTokenizerTests
{
    private static readonly byte[] Documents = [.. "Hello world"u8, TextCorpus.EndOfDocument, .. "Grüße"u8, TextCorpus.EndOfDocument];

    [Fact]
    public void Documents_in_GPT2s_tokens_each_end_with_its_end_of_text()
    {
        var gpt2 = CorpusTokenizer.Find("gpt2");

        var tokens = Numbers(gpt2.Encode(Documents));

        tokens.Should().StartWith([15496, 995, 50256]).And.EndWith([50256]);
        gpt2.Decode(tokens.Select(token => (int)token)).Should().Be("Hello world<|endoftext|>Grüße<|endoftext|>");
        gpt2.Vocabulary.Should().Be(50_257);
    }

    [Fact]
    public void Bytes_stay_as_they_are()
    {
        var bytes = CorpusTokenizer.Find("bytes");

        Numbers(bytes.Encode(Documents)).Should().Equal(Documents.Select(value => (long)value));
        bytes.Decode(bytes.Encode("Grüße")).Should().Be("Grüße");
    }

    [Fact]
    public void Batches_are_of_the_tokenizers_tokens()
    {
        var text = string.Concat(Enumerable.Repeat("Hello world, and hello again. ", 200));
        var corpus = TextCorpus.Split("text", [text, text + "x", text + "y"]);
        var options = new TrainingOptions { Steps = 1, Batch = 2, Sequence = 8, Device = CPU };

        var batch = new SingleText(corpus, options, CorpusTokenizer.Find("gpt2")).At(0);

        CorpusTokenizer.Find("gpt2").Decode(batch.Inputs.Take(8).Select(token => (int)token)).Should().MatchRegex("(hello|world|again)");
        batch.Inputs.Max().Should().BeGreaterThan(255);
    }

    [Fact]
    public void Unknown_name_is_refused_with_the_known_ones() =>
        FluentActions.Invoking(() => CorpusTokenizer.Find("gpt")).Should().Throw<UserException>().WithMessage("*bytes, gpt2*Did you mean gpt2?");

    private static long[] Numbers(TokenSequence tokens) => [.. Enumerable.Range(0, tokens.Length).Select(place => tokens[place])];
}
