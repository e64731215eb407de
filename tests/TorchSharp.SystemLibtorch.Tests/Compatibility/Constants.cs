using System.Globalization;
using TorchSharp.ApiStubs.Api;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>Brings constants of the list and of metadata to one spelling.</summary>
internal static class Constants
{
    /// <summary>A constant of metadata; those of enums are numbers there.</summary>
    public static string Of(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        string text => $"\"{text}\"",
        char letter => $"'{letter}'",
        float number => number.ToString("R", CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    /// <summary>A constant as the list writes it, for a parameter or field of a type.</summary>
    public static string Of(string text, string type, ApiSurface surface)
    {
        var underlying = type.StartsWith("System.Nullable`1<", StringComparison.Ordinal) ? type["System.Nullable`1<".Length..^1] : type;
        if (text == "default") return "null";
        if (text is "null" or "true" or "false" || text[0] is '"' or '\'') return text;
        if (surface.Types.TryGetValue(underlying, out var named) && named.Kind == TypeKind.Enum)
            return surface.Members[underlying].Single(member => member.Name == text[(text.LastIndexOf('.') + 1)..]).Value!;
        return underlying switch
        {
            "System.Single" => float.Parse(text.TrimEnd('f'), CultureInfo.InvariantCulture).ToString("R", CultureInfo.InvariantCulture),
            "System.Double" => double.Parse(text, CultureInfo.InvariantCulture).ToString("R", CultureInfo.InvariantCulture),
            _ => text,
        };
    }
}
