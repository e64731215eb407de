using System.CommandLine;
using System.Text;
using LanguageModel;
using LanguageModel.Data;

namespace Shuffle;

/// <summary>Writes a text, and the same text shuffled: a useful and a useless source to try data mixing on.</summary>
internal static class ShuffleCommand
{
    private static readonly Option<string[]> Data =
        new("--data") { Description = "Text files, or folders of .txt and .md files [default: the API documentation of the .NET SDK].",
            AllowMultipleArgumentsPerToken = true };
    private static readonly Option<string> Unit =
        new("--unit") { Description = "What is shuffled: characters or words.", DefaultValueFactory = _ => "characters" };
    private static readonly Option<int> Bytes = new("--bytes") { Description = "Bytes of the text to write, at most.", DefaultValueFactory = _ => 2_000_000 };
    private static readonly Option<long> Seed = new("--seed") { Description = "Seed of the order.", DefaultValueFactory = _ => 42 };
    private static readonly Option<string> Out =
        new("--out", "-o") { Description = "Folder for text.txt and shuffled.txt.", DefaultValueFactory = _ => Path.Combine("runs", "shuffle") };

    /// <summary>The root command.</summary>
    public static RootCommand Create()
    {
        var command = new RootCommand("Writes a text, and the same text with its characters or words in random order.") { Data, Unit, Bytes, Seed, Out };
        command.SetAction(Execute);
        return command;
    }

    private static int Execute(ParseResult parsed)
    {
        Func<string, ulong, string> shuffle = parsed.GetRequiredValue(Unit) switch
        {
            "characters" => Shuffled.Characters,
            "words" => Shuffled.Words,
            var other => throw new UserException($"--unit is characters or words, not '{other}'."),
        };
        var bytes = parsed.GetValue(Bytes) is >= 10_000 and var count ? count : throw new UserException("--bytes must be at least 10000.");

        // The corpus comes without the part that is validated on; the end of a document becomes that of a line.
        var corpus = TextCorpus.Load(parsed.GetValue(Data) ?? []).Training;
        var text =
            Encoding.UTF8.GetString(
                Array.ConvertAll(corpus[..Math.Min(bytes, corpus.Length)], value => value == TextCorpus.EndOfDocument ? (byte)'\n' : value));

        var folder = parsed.GetRequiredValue(Out);
        Directory.CreateDirectory(folder);
        Write("text.txt", text);
        Write("shuffled.txt", shuffle(text, (ulong)parsed.GetValue(Seed)));
        return 0;

        void Write(string name, string content)
        {
            var file = Path.Combine(folder, name);
            File.WriteAllText(file, content);
            Console.WriteLine($"{file}: {new FileInfo(file).Length:N0} bytes");
        }
    }
}
