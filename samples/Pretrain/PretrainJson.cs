using System.Text.Encodings.Web;
using System.Text.Json;

namespace Pretrain;

/// <summary>How this program writes JSON.</summary>
internal static class PretrainJson
{
    /// <value>On one line.</value>
    public static JsonSerializerOptions OneLine { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <value>For a file that people read.</value>
    public static JsonSerializerOptions Indented { get; } = new(OneLine) { WriteIndented = true };
}
