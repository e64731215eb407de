using System.Text.Json;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Figures as JSON: a list of name, value, unit, target, holds.</summary>
internal static class FiguresFile
{
    private static readonly JsonSerializerOptions Options =
        new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(string path, IReadOnlyCollection<Figure> figures)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllText(path, JsonSerializer.Serialize(figures, Options) + "\n");
    }
}
