using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;

namespace LowRankTraining.Extensions.Hosting;

/// <summary>A section of configuration in the text form of methods.</summary>
/// <remarks>A section can have a value and children, from two sources: <c>"Refresh": "staggered"</c> in a file and <c>Training__Refresh__Every=50</c> in the
/// environment. They are the word of a part, or of the method, and its options.</remarks>
internal static class ConfigurationText
{
    /// <summary>Its value, or an object of its children; all values are texts.</summary>
    /// <param name="configuration">The section of a method.</param>
    /// <param name="failures">Takes what contradicts itself.</param>
    public static JsonNode? Of(IConfiguration configuration, List<string> failures) => Of(configuration, "Method", failures);

    /// <summary>The path to it; empty for a whole configuration.</summary>
    public static string PathOf(IConfiguration configuration) => (configuration as IConfigurationSection)?.Path ?? "";

    private static JsonNode? Of(IConfiguration configuration, string wordKey, List<string> failures)
    {
        var word = (configuration as IConfigurationSection)?.Value;
        var children = configuration.GetChildren().ToArray();
        if (children.Length == 0)
            return word is null ? null : JsonValue.Create(word);

        var options = new JsonObject(children.Select(child => KeyValuePair.Create(child.Key, Of(child, "Kind", failures))));
        if (string.IsNullOrEmpty(word))
            return options;
        if (children.FirstOrDefault(child => child.Key.Equals(wordKey, StringComparison.OrdinalIgnoreCase)) is not { } other)
            options[wordKey] = word;
        else if (!word.Equals(other.Value, StringComparison.OrdinalIgnoreCase))
            failures.Add($"{PathOf(configuration)} is '{word}', and {other.Path} is '{other.Value}': give one of them.");
        return options;
    }
}
