using LanguageModel;
using LanguageModel.Data;

namespace FineTune.Data;

/// <summary>Examples to train on, and others to evaluate on.</summary>
internal sealed record ExampleSet
{
    /// <summary>Share of the examples that is held back where no others are given.</summary>
    private const double HeldBack = 0.05;

    /// <value>To train on.</value>
    public required IReadOnlyList<Example> Training { get; init; }

    /// <value>To evaluate on.</value>
    public required IReadOnlyList<Example> Evaluation { get; init; }

    /// <value>What was done to the data and should be known; one line each.</value>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Reads what is to be trained on, and holds some of it back unless there is something else to evaluate on.</summary>
    /// <param name="training">A file of JSON lines (.jsonl), text files, or folders of them.</param>
    /// <param name="evaluation">The same; empty to hold examples back.</param>
    /// <param name="writer">Makes examples of texts.</param>
    /// <param name="chat">How conversations are written.</param>
    /// <param name="length">Tokens that an example may have at most.</param>
    /// <exception cref="UserException">There is nothing, or too little, or a broken line.</exception>
    public static ExampleSet Load(IReadOnlyList<string> training, IReadOnlyList<string> evaluation, ExampleWriter writer, ChatFormat chat, int length)
    {
        var notes = new List<string>();
        var examples = Read(training, "--data");
        if (evaluation.Count > 0)
            return new() { Training = examples, Evaluation = Read(evaluation, "--eval"), Notes = notes };

        if (examples.Count < 2)
            throw new UserException($"There is only one example in {string.Join(", ", training)}, and some are held back to evaluate on. "
                + "Give more of them, or others with --eval.");

        // Evenly spread, and the same ones whenever the data is the same.
        var count = Math.Max(1, (int)(HeldBack * examples.Count));
        var held = Enumerable.Range(0, count).Select(place => (int)((place + 0.5) * examples.Count / count)).ToHashSet();
        return new()
        {
            Training = [.. examples.Where((_, place) => !held.Contains(place))],
            Evaluation = [.. examples.Where((_, place) => held.Contains(place))],
            Notes = notes,
        };

        List<Example> Read(IReadOnlyList<string> paths, string option)
        {
            var read = paths.SelectMany(path => Examples(path, writer, chat, length)).ToList();
            if (read.Count == 0)
                throw new UserException($"There is no example in {string.Join(", ", paths)}. Give a .jsonl file, or text files, with {option}.");

            var tooLong = read.Count(example => example.Tokens.Length > length);
            var kept = read.Select(example => example.First(length)).Where(example => example.Learned > 0).ToList();
            if (tooLong > 0)
                notes.Add($"{tooLong} of {read.Count} examples are longer than {length} tokens and were cut (--seq)");
            if (kept.Count < read.Count)
                notes.Add($"{read.Count - kept.Count} examples had nothing left to learn within {length} tokens and were left out");
            return kept.Count > 0 ? kept
                : throw new UserException($"No example in {string.Join(", ", paths)} has anything to learn within {length} tokens. Raise --seq.");
        }
    }

    private static IEnumerable<Example> Examples(string path, ExampleWriter writer, ChatFormat chat, int length) =>
        Path.GetExtension(path).Equals(".jsonl", StringComparison.OrdinalIgnoreCase)
            ? File.Exists(path)
                ? JsonLines.Read(path, chat).Select(writer.Write)
                : throw new UserException($"There is no file {path}.")
            : Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase)
            ? throw new UserException($"{path} is JSON as a whole, and one object on each line is read, from a .jsonl file. To make one of a list: "
                + "jq -c '.[]' data.json > data.jsonl. To train on the JSON itself, call it .txt.")
            : TextFiles.Documents([path]).SelectMany(text => writer.Write([(text, true)]).Pieces(length));
}
