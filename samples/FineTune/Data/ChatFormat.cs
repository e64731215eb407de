using LanguageModel;
using LanguageModel.Tokens;

namespace FineTune.Data;

/// <summary>How a conversation is written as one text.</summary>
/// <param name="Name">What it is asked for by.</param>
/// <param name="Mark">The special token that models trained with it know; null where it needs none.</param>
/// <param name="Open">What goes before a message of a role.</param>
/// <param name="Close">What goes after it.</param>
/// <remarks>Models bring a template as a program in Jinja; these are what the common ones come to. What an assistant says is learned, with what closes
/// it.</remarks>
internal sealed record ChatFormat(string Name, string? Mark, Func<string, string> Open, string Close)
{
    private const string Assistant = "assistant";

    private static readonly ChatFormat[] All =
    [
        new("chatml", "<|im_start|>", role => $"<|im_start|>{role}\n", "<|im_end|>\n"),
        new("llama3", "<|start_header_id|>", role => $"<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>"),
        new("plain", null, role => $"{char.ToUpperInvariant(role[0])}{role[1..]}: ", "\n"),
    ];

    /// <value>What there is to choose from.</value>
    public static string Names { get; } = string.Join(", ", All.Select(format => format.Name));

    /// <summary>The format named <paramref name="name"/>, or when null the one whose special token the tokenizer knows.</summary>
    /// <exception cref="UserException">There is none of that name.</exception>
    public static ChatFormat Find(string? name, TextTokenizer tokenizer) => name is null
        ? All.First(format => format.Mark is null || tokenizer.Special.ContainsKey(format.Mark))
        : Array.Find(All, format => format.Name == name) ?? throw new UserException($"There is no chat format '{name}'. Choose one of: {Names}.");

    /// <summary>The parts of a conversation.</summary>
    public IEnumerable<(string Text, bool IsLearned)> Parts(IEnumerable<(string Role, string Content)> messages) =>
        messages.SelectMany(message => new[] { (Open(message.Role), false), (message.Content + Close, message.Role == Assistant) });

    /// <summary>What a model is given to answer to.</summary>
    public string Prompt(IEnumerable<(string Role, string Content)> messages) =>
        string.Concat(Parts(messages).Select(part => part.Text)) + Open(Assistant).TrimEnd(' ');
}
