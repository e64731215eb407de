using FineTune.Data;
using FluentAssertions;
using LanguageModel;
using LanguageModel.Data;
using LanguageModel.Tokens;
using LanguageModel.Training;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.FineTuning;

public sealed class ExampleTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly TextTokenizer tokenizer;
    private readonly ExampleWriter writer;

    public ExampleTests()
    {
        Tokens.Write(folder.Path);
        tokenizer = FolderTokenizer.Find(folder.Path)!;
        writer = new ExampleWriter(tokenizer, Tokens.End);
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Only_completions_are_learned_and_the_end_after_them()
    {
        var (tokens, learned) = writer.Write([("hello ", false), ("hell", true)]);

        tokens.Should().Equal([.. tokenizer.Encode("hello hell"), Tokens.End]);
        Learned(tokens, learned).Should().Be("hell<|endoftext|>");
    }

    [Fact]
    public void Token_across_the_border_belongs_to_the_completion()
    {
        var (tokens, learned) = writer.Write([("he", false), ("llo", true)]);

        tokens.Should().Equal(259, Tokens.End);
        learned.Should().Equal(true, true);
    }

    [Fact]
    public void Of_a_conversation_only_what_the_assistant_says_is_learned()
    {
        var chat = ChatFormat.Find(null, tokenizer);
        var (tokens, learned) = writer.Write([.. chat.Parts([("user", "hello"), ("assistant", "hell"), ("user", "wo"), ("assistant", "he")])]);

        chat.Name.Should().Be("chatml", "the tokenizer knows its special token");
        tokenizer.Decode(tokens).Should().StartWith("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nhell<|im_end|>\n");
        Learned(tokens, learned).Should().Be("hell<|im_end|>\nhe<|im_end|>\n<|endoftext|>");
        ChatFormat.Find("plain", tokenizer).Prompt([("user", "hello")]).Should().Be("User: hello\nAssistant:");
    }

    [Theory]
    [InlineData("""{"prompt": "a", "completion": """, "*data.jsonl, line 3: this is no JSON (*closed).")]
    [InlineData("""{"prompt": "a"}""", "*line 3: it needs \"prompt\" and \"completion\", or \"messages\"*")]
    [InlineData("""["a"]""", "*line 3: it needs*")]
    [InlineData("""{"prompt": "a", "completion": 5}""", "*line 3: \"completion\" must be there, and be a text*")]
    [InlineData("""{"prompt": "a", "completion": ""}""", "*line 3: \"completion\"*")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}]}""", "*line 3: there is nothing to learn*")]
    [InlineData("""{"messages": "a"}""", "*line 3: it needs*")]
    [InlineData("""{"messages": [{"content": "a"}]}""", "*line 3: \"role\" must be there*")]
    public void Broken_line_is_named_by_its_number(string line, string message)
    {
        var path = folder.Write("data.jsonl", $$"""
            {"prompt": "a", "completion": "b"}

            {{line}}
            """);

        FluentActions.Invoking(() => Load(path)).Should().Throw<UserException>().WithMessage(message);
    }

    /// <summary>A letter of Latin-1 would be learned as the sign for letters that are not known.</summary>
    [Theory]
    [InlineData("data.jsonl"), InlineData("data.txt")]
    public void Text_in_another_encoding_is_refused_and_not_learned_in_part(string name)
    {
        var path = Path.Combine(folder.Path, name);
        File.WriteAllBytes(path, [.. "{\"text\": \"caf"u8, 0xE9, .. "\"}\n"u8]);

        FluentActions.Invoking(() => Load(path)).Should().Throw<UserException>().WithMessage($"{path} is no text in UTF-8: it holds 0xE9*iconv*");
    }

    [Fact]
    public void Text_with_a_mark_of_its_encoding_is_read()
    {
        var path = Path.Combine(folder.Path, "data.jsonl");
        File.WriteAllText(path, string.Concat(Enumerable.Repeat("{\"text\": \"hello\"}\n", 2)), System.Text.Encoding.Unicode);

        Load(path).Training.Should().ContainSingle();
    }

    [Fact]
    public void List_in_JSON_is_not_taken_for_a_text() =>
        FluentActions.Invoking(() => Load(folder.Write("data.json", """[{"prompt": "a", "completion": "b"}]""")))
            .Should().Throw<UserException>().WithMessage("*data.json is JSON as a whole*.jsonl*jq*");

    [Fact]
    public void Empty_data_is_refused()
    {
        FluentActions.Invoking(() => Load(folder.Write("empty.jsonl", "\n\n"))).Should().Throw<UserException>()
            .WithMessage("There is no example in*empty.jsonl*");
        FluentActions.Invoking(() => Load(folder.Write("empty.txt", ""))).Should().Throw<UserException>().WithMessage("*empty.txt is empty*");
        FluentActions.Invoking(() => Load(Path.Combine(folder.Path, "none.jsonl"))).Should().Throw<UserException>().WithMessage("There is no file*");
        FluentActions.Invoking(() => Load(folder.Write("one.jsonl", """{"text": "hello"}""")))
            .Should().Throw<UserException>().WithMessage("There is only one example*");
    }

    [Fact]
    public void Long_examples_are_cut_and_those_without_a_completion_left_out_with_a_note()
    {
        var path = folder.Write("long.jsonl", string.Join('\n',
            $$"""{"prompt": "{{new string('x', 50)}}", "completion": "hell"}""",
            $$"""{"prompt": "a", "completion": "{{new string('y', 50)}}"}""",
            """{"text": "hello"}"""));

        var set = Load(path, length: 20);

        set.Notes.Should().Equal(
            "2 of 3 examples are longer than 20 tokens and were cut (--seq)", "1 examples had nothing left to learn within 20 tokens and were left out");
        set.Training.Concat(set.Evaluation).Select(example => example.Tokens.Length).Should().BeEquivalentTo([20, 2]);
    }

    [Fact]
    public void Plain_text_is_learned_whole_in_pieces()
    {
        var set = Load(folder.Write("text.txt", new string('x', 100)), length: 30);

        set.Training.Concat(set.Evaluation).Select(example => example.Tokens.Length).Should().BeEquivalentTo([30, 30, 30, 12]);
        set.Training.Should().OnlyContain(example => example.IsLearned.All(learned => learned));
    }

    [Fact]
    public void Batch_is_filled_up_with_targets_that_do_not_count()
    {
        var batch = ExampleBatches.InBatches([new([1, 2, 3, 4], [false, false, true, true]), new([5, 6], [false, true])], rows: 2).Single();

        batch.Inputs.Should().Equal(5, 0, 0, 1, 2, 3);
        batch.Targets.Should().Equal(6, TokenBatch.Ignored, TokenBatch.Ignored, TokenBatch.Ignored, 3, 4);
        (batch.Counted, batch.Tokens).Should().Be((3, 4));
    }

    [Fact]
    public void Every_pass_takes_every_example_once_in_another_order()
    {
        var examples = Enumerable.Range(0, 10).Select(token => new Example([token, 99], [false, true])).ToArray();
        var batches = new ExampleBatches(
            new() { Training = examples, Evaluation = examples, Notes = [] }, new() { Steps = 4, Batch = 5, Sequence = 8, Device = CPU });

        var passes = Enumerable.Range(0, 4).SelectMany(step => batches.At(step).Inputs).Chunk(10).ToArray();

        passes.Should().OnlyContain(pass => pass.Order().SequenceEqual(Enumerable.Range(0, 10).Select(token => (long)token)));
        passes[0].Should().NotEqual(passes[1]);
    }

    private ExampleSet Load(string path, int length = 64) => ExampleSet.Load([path], [], writer, ChatFormat.Find(null, tokenizer), length);

    private string Learned(int[] tokens, bool[] learned) => tokenizer.Decode(tokens.Where((_, place) => learned[place]));
}
