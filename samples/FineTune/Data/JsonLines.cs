using System.Text.Json;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Data;

namespace FineTune.Data;

/// <summary>Reads a file of examples, one JSON object on each line.</summary>
/// <remarks>A line has <c>prompt</c> and <c>completion</c>, or <c>messages</c> of <c>role</c> and <c>content</c>, or a <c>text</c>.</remarks>
internal static class JsonLines
{
    private const string Forms = """it needs "prompt" and "completion", or "messages" (of "role" and "content"), or "text".""";

    /// <summary>The parts of the text of every line, and whether they are learned.</summary>
    /// <exception cref="UserException">A line is broken; the message says which and why.</exception>
    public static IEnumerable<IReadOnlyList<(string Text, bool IsLearned)>> Read(string path, ChatFormat chat)
    {
        var number = 0;
        using var reader = new Utf8Reader(path);
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
                yield return Parts(line, $"{path}, line {number}", chat);
        }
    }

    private static IReadOnlyList<(string Text, bool IsLearned)> Parts(string line, string place, ChatFormat chat)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var (root, wrong) = (json.RootElement, new UserException($"{place}: {Forms}"));
            if (root.ValueKind != JsonValueKind.Object)
                throw wrong;
            if (root.TryGetProperty("messages", out var messages))
                return NotEmpty([.. chat.Parts(messages.EnumerateArray().Select(message => (Text(message, "role"), Text(message, "content"))))]);
            if (root.TryGetProperty("text", out _))
                return NotEmpty([(Text(root, "text"), true)]);
            return root.TryGetProperty("prompt", out _) && root.TryGetProperty("completion", out _)
                ? NotEmpty([(Text(root, "prompt"), false), (Text(root, "completion"), true)])
                : throw wrong;
        }
        catch (JsonException broken)
        {
            throw new UserException($"{place}: this is no JSON ({OneLine.Of(broken)}).");
        }
        catch (InvalidOperationException)
        {
            throw new UserException($"{place}: {Forms}");
        }

        string Text(JsonElement element, string name) =>
            element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                && (name == "content" || name == "prompt" || value.GetString() != "")
                ? value.GetString()!
                : throw new UserException($"{place}: \"{name}\" must be there, and be a text{(name is "content" or "prompt" ? "" : " that is not empty")}.");

        IReadOnlyList<(string Text, bool IsLearned)> NotEmpty((string Text, bool IsLearned)[] parts) =>
            parts.Any(part => part is { IsLearned: true, Text.Length: > 0 }) ? parts
                : throw new UserException($"{place}: there is nothing to learn, no message of the role \"assistant\".");
    }
}
