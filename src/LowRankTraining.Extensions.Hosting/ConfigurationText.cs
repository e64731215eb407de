using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;

namespace LowRankTraining.Extensions.Hosting;

/// <summary>A section of configuration in the text form of methods.</summary>
internal static class ConfigurationText
{
    /// <summary>Its value, or an object of its children; all values are texts.</summary>
    public static JsonNode? Of(IConfiguration configuration) => configuration.GetChildren().ToArray() switch
    {
        [] => configuration is IConfigurationSection { Value: { } value } ? JsonValue.Create(value) : null,
        var children => new JsonObject(children.Select(child => KeyValuePair.Create(child.Key, Of(child)))),
    };

    /// <summary>The path to it; empty for a whole configuration.</summary>
    public static string PathOf(IConfiguration configuration) => (configuration as IConfigurationSection)?.Path ?? "";
}
