using FineTune.Data;
using FineTune.HuggingFace;
using LanguageModel;
using LanguageModel.Tokens;

namespace FineTune.Training;

/// <summary>How a model reads and writes text.</summary>
/// <param name="Tokenizer">Cuts it into tokens.</param>
/// <param name="Chat">How conversations are written.</param>
/// <param name="Ends">The tokens that end a text.</param>
/// <param name="Positions">Longest text that the model reads, in tokens; null where there is no limit.</param>
internal sealed record ModelText(TextTokenizer Tokenizer, ChatFormat Chat, IReadOnlyList<int> Ends, int? Positions)
{
    private const int UsualLength = 512;

    /// <summary>The tokenizer in the model's folder, or GPT-2's own for a GPT-2 that brings none. Weights are not read.</summary>
    /// <exception cref="UserException">There is none, or it has tokens that the model does not know.</exception>
    public static ModelText Of(string folder, string? chat)
    {
        var config = ModelConfig.Read(folder);
        var family = Family.Of(config);
        var (vocabulary, positions) = family.Limits(config);
        var tokenizer = FolderTokenizer.Find(folder) ?? (family is Gpt2Family ? TextTokenizer.Gpt2() : throw new UserException(
            $"There is no tokenizer in {folder}: neither tokenizer.json, nor tokenizer.model, nor vocab.json with merges.txt. "
            + "Put the model's own there."));
        return tokenizer.Size <= vocabulary
            ? new(tokenizer, ChatFormat.Find(chat, tokenizer), config.Ends, positions)
            : throw new UserException($"The tokenizer does not fit the model: {tokenizer.Source} has {tokenizer.Size} tokens, and the model in "
                + $"{folder} knows {vocabulary}. Put the model's own tokenizer there.");
    }

    /// <summary>Reads data as examples for the model.</summary>
    /// <exception cref="UserException">There is none, or it is broken, or longer than the model can read.</exception>
    public ExampleSet Load(IReadOnlyList<string> training, IReadOnlyList<string> evaluation, int? length) =>
        ExampleSet.Load(training, evaluation, new ExampleWriter(Tokenizer, Ends is [var end, ..] ? end : null), Chat, LengthOf(length));

    /// <summary>Tokens of an example: as many as were asked for, else 512, or what the model can read where that is less.</summary>
    /// <exception cref="UserException">More were asked for than the model can read.</exception>
    public int LengthOf(int? asked) => asked > Positions
        ? throw new UserException($"The model reads {Positions} tokens at most, and --seq is {asked}.")
        : asked ?? Math.Min(UsualLength, Positions ?? UsualLength);
}
