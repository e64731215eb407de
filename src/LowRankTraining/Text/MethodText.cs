using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LowRankTraining.Text;

/// <summary>The text form of methods as JSON: <c>{"Method":"fira","Rank":64,"Basis":"dct","States":"8bit"}</c>.</summary>
internal static class MethodText
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>A method with those options that are not as by default.</summary>
    public static string Of(ILowRankStrategy method) => PartWriter.Short(method).ToJsonString(Readable);

    /// <summary>The method of a text: a name alone, in quotes or without, or an object. A byte order mark before it is passed over.</summary>
    /// <exception cref="FormatException">The text is no JSON.</exception>
    public static JsonNode Parse(string text)
    {
        text = text.TrimStart('\uFEFF');
        if (text.TrimStart() is not ['{' or '"', ..])
            return JsonValue.Create(text.Trim());
        try
        {
            return JsonNode.Parse(text, documentOptions: Lenient)!;
        }
        catch (JsonException exception)
        {
            throw new FormatException($"The text is no JSON: {exception.Message}", exception);
        }
    }
}
