using System.CommandLine;
using System.Text.Json;

namespace LanguageModel.CommandLine;

/// <summary>Options in a file, so that a run can be kept and given again: <c>{ "method": "fira", "rank": 32, "data": ["a.txt", "b.txt"] }</c>.</summary>
/// <remarks>Keys are the names of options, with underscores or dashes. What is given on the command line counts more than what is in the file.</remarks>
public static class ConfigFile
{
    /// <value>The option that names the file.</value>
    public static Option<string?> Option { get; } = new("--config")
    {
        Description = "A JSON file with any of these options; the command line overrides it [default: none].",
    };

    /// <summary>The arguments with those of the file that they name, if any.</summary>
    /// <exception cref="UserException">The file cannot be read, or has a key that is no option; the nearest are named.</exception>
    public static string[] Expand(RootCommand root, string[] arguments)
    {
        var parsed = root.Parse(arguments);
        var options = parsed.CommandResult.Command.Options;
        if (!options.Contains(Option) || parsed.GetResult(Option) is null || parsed.GetValue(Option) is not { } path)
            return arguments;

        var added = new List<string>();
        foreach (var (key, value) in Read(path))
        {
            var name = $"--{key.Replace('_', '-')}";
            var option = options.FirstOrDefault(candidate => candidate.Name == name && candidate != Option)
                ?? throw new UserException(
                    $"{path}: there is no option '{key}'.{Nearest.DidYouMean(key, options.Select(known => known.Name.TrimStart('-').Replace('-', '_')))}");
            if (parsed.GetResult(option) is null or { Implicit: true })
                added.AddRange(Tokens(path, name, value));
        }

        return [.. arguments, .. added];
    }

    private static List<(string Key, JsonElement Value)> Read(string path)
    {
        if (!File.Exists(path))
            throw new UserException($"There is no file {path} (--config).");

        try
        {
            using var json = JsonDocument.Parse(File.ReadAllText(path), new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return json.RootElement.ValueKind == JsonValueKind.Object
                ? [.. json.RootElement.EnumerateObject().Select(property => (property.Name, property.Value.Clone()))]
                : throw new UserException($"{path} holds no object: it should look like {{ \"rank\": 32 }}.");
        }
        catch (JsonException broken)
        {
            throw new UserException($"{path}, line {broken.LineNumber + 1}, is no JSON: {OneLine.Of(broken)}.");
        }
    }

    private static IEnumerable<string> Tokens(string path, string option, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => [],
        JsonValueKind.True => [option],
        JsonValueKind.False => [option, "false"],
        JsonValueKind.String => [option, value.GetString()!],
        JsonValueKind.Number => [option, value.GetRawText()],
        JsonValueKind.Array when value.GetArrayLength() == 0 => [],
        JsonValueKind.Array => [option, .. value.EnumerateArray().Select(item => item.ToString())],
        JsonValueKind.Object when option == "--method" => [option, value.GetRawText()],
        _ => throw new UserException($"{path}: '{option.TrimStart('-')}' takes a text, a number, true or false, or a list of them."),
    };
}
