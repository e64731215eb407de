using System.Text;
using FluentAssertions;
using LanguageModel;
using LanguageModel.Data;
using Xunit;

namespace LowRankTraining.Samples.Tests.Data;

public sealed class TextCorpusTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_document_is_in_exactly_one_part()
    {
        var documents = Documents(500);

        var corpus = TextCorpus.Split("test", documents);

        var (training, validation) = (Pieces(corpus.Training), Pieces(corpus.Validation));
        training.Should().NotIntersectWith(validation);
        training.Concat(validation).Should().BeEquivalentTo(documents);
    }

    [Fact]
    public void About_one_and_a_half_percent_are_held_back()
    {
        var corpus = TextCorpus.Split("test", Documents(2000));

        var share = (double)corpus.Validation.Length / (corpus.Training.Length + corpus.Validation.Length);
        share.Should().BeInRange(0.015, 0.017);
    }

    [Fact]
    public void Same_documents_in_another_order_are_held_back_alike()
    {
        var corpus = TextCorpus.Split("test", Documents(500));
        var reversed = TextCorpus.Split("test", Documents(500).AsEnumerable().Reverse());

        Pieces(reversed.Validation).Should().BeEquivalentTo(Pieces(corpus.Validation));
    }

    [Fact]
    public void A_document_that_occurs_twice_is_kept_once()
    {
        var documents = Documents(50);

        var corpus = TextCorpus.Split("test", documents.Concat(documents));

        Pieces(corpus.Training).Concat(Pieces(corpus.Validation)).Should().HaveCount(50);
    }

    [Fact]
    public void Hash_tells_whether_a_text_has_changed()
    {
        var corpus = TextCorpus.Split("test", Documents(50));

        TextCorpus.Split("elsewhere", Documents(50)).Hash.Should().Be(corpus.Hash);
        TextCorpus.Split("test", Documents(51)).Hash.Should().NotBe(corpus.Hash);
    }

    [Fact]
    public void Text_of_a_file_arrives_whole()
    {
        var text = string.Concat(Enumerable.Range(0, 2000).Select(line => $"line {line} has ümlauts\n"));

        var corpus = TextCorpus.Load([folder.Write("book.txt", text)]);

        (corpus.Training.Length + corpus.Validation.Length).Should()
            .Be(Encoding.UTF8.GetByteCount(text) + Pieces(corpus.Training).Count + Pieces(corpus.Validation).Count);
        Pieces(corpus.Training)[0].Should().StartWith("line ");
    }

    [Theory]
    [InlineData("one word after another ", 500_000)]
    [InlineData("𝄞nospaceatall", 500_000)]
    [InlineData("word ", 12_000)]
    public void Text_of_one_line_is_split_and_arrives_whole(string unit, int length)
    {
        var text = string.Concat(Enumerable.Range(0, length / unit.Length).Select(number => $"{number}{unit}"));

        var corpus = TextCorpus.Load([folder.Write("line.txt", text)]);

        var pieces = Pieces(corpus.Training).Concat(Pieces(corpus.Validation)).ToList();
        pieces.Sum(piece => piece.Length).Should().Be(text.Length + 1, "nothing is lost, and the line ends");
        pieces.Should().OnlyContain(piece => text.Contains(piece.TrimEnd('\n')) && !piece.Contains('\uFFFD'));
        pieces.Count.Should().BeInRange(text.Length / 5200, text.Length / 4096 + 1);
    }

    [Fact]
    public void Long_line_is_parted_between_words()
    {
        var corpus = TextCorpus.Load([folder.Write("line.txt", string.Join(' ', Enumerable.Range(1_000_000, 5000)))]);

        Pieces(corpus.Training).Concat(Pieces(corpus.Validation)).SelectMany(piece => piece.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Should().OnlyContain(word => word.Length == 7).And.HaveCount(5000);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public void Lines_end_alike_whatever_system_wrote_them(string end)
    {
        var text = string.Concat(Enumerable.Range(0, 2000).Select(number => $"line {number}{end}"));

        var pieces = Pieces(TextCorpus.Load([folder.Write("lines.txt", text)]).Training);

        pieces[0].Should().StartWith("line 0\nline 1\n");
        pieces.Should().OnlyContain(piece => piece.StartsWith("line ") && piece.EndsWith('\n'));
    }

    [Fact]
    public void Folder_stands_for_its_text_files()
    {
        folder.Write("b/second.md", Long("second"));
        folder.Write("first.txt", Long("first"));
        folder.Write("picture.png", Long("picture"));

        var corpus = TextCorpus.Load([folder.Path]);

        var text = Encoding.UTF8.GetString(corpus.Training) + Encoding.UTF8.GetString(corpus.Validation);
        text.Should().Contain("first").And.Contain("second").And.NotContain("picture");
    }

    [Theory]
    [InlineData("missing.txt", "no file or folder*--data")]
    [InlineData("empty.txt", "is empty*--data")]
    [InlineData("bare", "no .txt or .md file*--data")]
    [InlineData("short.txt", "too little text*few kilobytes")]
    public void Unusable_data_gets_a_message_that_says_what_to_do(string name, string complaint)
    {
        folder.Write("empty.txt", "");
        folder.Write("short.txt", "Hello.");
        folder.Write("bare/picture.png", "x");

        var load = () => TextCorpus.Load([Path.Combine(folder.Path, name)]);

        load.Should().Throw<UserException>().WithMessage($"*{complaint}*");
    }

    private static string Long(string word) => string.Concat(Enumerable.Range(0, 2000).Select(line => $"{word} {line}\n"));

    private static List<string> Documents(int count) =>
        [.. Enumerable.Range(0, count).Select(number => string.Join(' ', Enumerable.Repeat($"document {number}", 20)))];

    private static List<string> Pieces(byte[] text)
    {
        var (pieces, start) = (new List<string>(), 0);
        for (var place = 0; place < text.Length; place++)
        {
            if (text[place] != TextCorpus.EndOfDocument)
                continue;

            pieces.Add(Encoding.UTF8.GetString(text.AsSpan(start, place - start)));
            start = place + 1;
        }

        return pieces;
    }
}
