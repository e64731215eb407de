using System.Text.Json.Nodes;
using FluentAssertions;
using Google.Protobuf;
using LanguageModel;
using LanguageModel.Tokens;
using Xunit;

namespace LowRankTraining.Samples.Tests.FineTuning;

public sealed class FolderTokenizerTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void GPT2s_own_tokens_are_the_published_ones()
    {
        var gpt2 = TextTokenizer.Gpt2();

        gpt2.Encode("Hello world").Should().Equal(15496, 995);
        gpt2.Encode("<|endoftext|>").Should().Equal(50256);
        gpt2.Decode(gpt2.Encode("Grüße, 世界!\n")).Should().Be("Grüße, 世界!\n");
    }

    [Theory]
    [InlineData("hello world", new[] { 259, 261, 81, 75, 67 })]
    [InlineData("hell", new[] { 258 })]
    [InlineData("he<|endoftext|>he", new[] { 256, 262, 256 })]
    [InlineData("wo", new[] { 86, 78 })]
    public void Tokens_of_tokenizer_json_come_from_its_merges(string text, int[] expected)
    {
        Tokens.Write(folder.Path);

        FolderTokenizer.Find(folder.Path)!.Encode(text).Should().Equal(expected);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_text_comes_back(bool ignoreMerges)
    {
        var json = Tokens.Json();
        json["model"]!["ignore_merges"] = ignoreMerges;
        Write(json);
        var tokenizer = FolderTokenizer.Find(folder.Path)!;

        foreach (var text in new[] { "hello world", "Grüße, 世界! 👋\n\n  x", "it's 2026", "\u0000\u00ff" })
            tokenizer.Decode(tokenizer.Encode(text)).Should().Be(text);
        tokenizer.Size.Should().Be(265);
        tokenizer.Encode("hello world").Should().Equal(259, 261, 81, 75, 67);
    }

    [Fact]
    public void Beginning_of_the_template_goes_before_every_text()
    {
        var json = Tokens.Json();
        json["post_processor"] = JsonNode.Parse("""
            {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing", "single":
              [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}]}
            """);
        Write(json);

        FolderTokenizer.Find(folder.Path)!.Encode("hell").Should().Equal(Tokens.Start, 258);
    }

    [Fact]
    public void Words_are_cut_by_the_files_own_patterns()
    {
        var json = Tokens.Json();
        json["pre_tokenizer"] = JsonNode.Parse("""
            {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "he|[^h]+|h"}, "behavior": "Isolated", "invert": false},
              {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
            """);
        Write(json);

        FolderTokenizer.Find(folder.Path)!.Encode("hello").Should().Equal([256, 257, 78], "the cut after 'he' keeps 'hello' apart");
    }

    [Fact]
    public void Vocabulary_and_merges_of_GPT2s_first_files_are_read()
    {
        var json = Tokens.Json();
        folder.Write("vocab.json", json["model"]!["vocab"]!.ToJsonString());
        folder.Write("merges.txt", "#version: 0.2\n" + string.Join('\n', json["model"]!["merges"]!.AsArray().Select(merge => merge!.GetValue<string>())));

        FolderTokenizer.Find(folder.Path)!.Encode("hello world").Should().Equal(259, 261, 81, 75, 67);
    }

    [Fact]
    public void Pieces_of_a_SentencePiece_model_are_read_with_their_beginning()
    {
        WriteSentencePiece();
        var tokenizer = FolderTokenizer.Find(folder.Path)!;

        tokenizer.Encode("hell").Should().Equal(1, 3 + 256 + 3);
        tokenizer.Decode(tokenizer.Encode("hell he")).Should().EndWith("hell he");
        folder.Write("tokenizer_config.json", """{"add_bos_token": false}""");
        FolderTokenizer.Find(folder.Path)!.Encode("hell").Should().Equal(3 + 256 + 3);
    }

    [Fact]
    public void SentencePiece_model_is_taken_where_tokenizer_json_says_the_same_in_another_way()
    {
        var json = Tokens.Json();
        json["decoder"] = JsonNode.Parse("""{"type": "Sequence", "decoders": [{"type": "Replace"}, {"type": "ByteFallback"}, {"type": "Fuse"}]}""");
        Write(json);
        WriteSentencePiece();

        FolderTokenizer.Find(folder.Path)!.Source.Should().EndWith("tokenizer.model");
    }

    [Theory]
    [InlineData("model", """{"type": "WordPiece", "vocab": {}}""", "*WordPiece*What can be read*")]
    [InlineData("pre_tokenizer", """{"type": "Metaspace"}""", "*Metaspace*")]
    [InlineData("pre_tokenizer", """{"type": "ByteLevel", "add_prefix_space": true}""", "*add_prefix_space*")]
    [InlineData("normalizer", """{"type": "Lowercase"}""", "*Lowercase*")]
    public void Tokenizer_of_another_kind_is_refused(string part, string value, string message)
    {
        var json = Tokens.Json();
        json[part] = JsonNode.Parse(value);
        Write(json);

        FluentActions.Invoking(() => FolderTokenizer.Find(folder.Path)).Should().Throw<UserException>().WithMessage(message);
    }

    [Fact]
    public void Damaged_tokenizer_is_refused_and_a_missing_one_is_none()
    {
        FolderTokenizer.Find(folder.Path).Should().BeNull();

        folder.Write("tokenizer.json", "{");
        FluentActions.Invoking(() => FolderTokenizer.Find(folder.Path)).Should().Throw<UserException>().WithMessage("The tokenizer in*cannot be read*");
    }

    private void Write(JsonObject json) => folder.Write("tokenizer.json", json.ToJsonString());

    /// <summary>A model of SentencePiece's protocol buffer: unknown, begin, end, the 256 bytes, and pieces that merge to "▁hell".</summary>
    private void WriteSentencePiece()
    {
        using var stream = File.Create(Path.Combine(folder.Path, "tokenizer.model"));
        var output = new CodedOutputStream(stream);
        Piece("<unk>", 0, 2);
        Piece("<s>", 0, 3);
        Piece("</s>", 0, 3);
        for (var value = 0; value < 256; value++)
            Piece($"<0x{value:X2}>", 0, 6);
        string[] pieces = ["▁h", "▁he", "▁hel", "▁hell", "▁", "h", "e", "l"];
        for (var rank = 0; rank < pieces.Length; rank++)
            Piece(pieces[rank], -rank, 1);

        Message(2, trainer => { trainer.WriteTag(3, WireFormat.WireType.Varint); trainer.WriteEnum(2); });
        Message(3, normalizer => { normalizer.WriteTag(3, WireFormat.WireType.Varint); normalizer.WriteBool(true); });
        output.Flush();

        void Piece(string piece, float score, int type) => Message(1, part =>
        {
            part.WriteTag(1, WireFormat.WireType.LengthDelimited);
            part.WriteString(piece);
            part.WriteTag(2, WireFormat.WireType.Fixed32);
            part.WriteFloat(score);
            part.WriteTag(3, WireFormat.WireType.Varint);
            part.WriteEnum(type);
        });

        void Message(int field, Action<CodedOutputStream> write)
        {
            using var content = new MemoryStream();
            var part = new CodedOutputStream(content);
            write(part);
            part.Flush();
            output.WriteTag(field, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(content.ToArray()));
        }
    }
}
