using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LowRankTraining.Checkpoints;

namespace LanguageModel.Training;

/// <summary>The settings of a run in a file beside its checkpoints: JSON that people read, with a checksum, written as a whole or not at all.</summary>
public static class RunSettings
{
    private const string Checksum = "checksum";

    private static readonly JsonSerializerOptions OneLine = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions Indented = new(OneLine) { WriteIndented = true };

    /// <summary>The settings that were written.</summary>
    /// <exception cref="UserException">They cannot be read, or are others.</exception>
    public static TSettings Read<TSettings>(string path) where TSettings : class
    {
        try
        {
            var settings = JsonNode.Parse(File.ReadAllText(path)) as JsonObject ?? throw new JsonException("It holds no settings.");
            var checksum = settings[Checksum]?.ToString();
            settings.Remove(Checksum);
            if (checksum != ChecksumOf(settings))
                throw new JsonException("The settings are not those that were written.");
            return settings.Deserialize<TSettings>(Indented)!;
        }
        catch (Exception damage) when (damage is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new UserException($"{path} cannot be read: {damage.Message} Start the run again in another folder.");
        }
    }

    /// <summary>Makes the folder and writes the settings.</summary>
    /// <exception cref="UserException">They cannot be written.</exception>
    public static void Write<TSettings>(string path, TSettings settings) where TSettings : class
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        try
        {
            Directory.CreateDirectory(folder);
            var json = (JsonObject)JsonSerializer.SerializeToNode(settings, Indented)!;
            json[Checksum] = ChecksumOf(json);
            AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, json, Indented));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"The run cannot be written to {folder}: {failure.Message} Name another folder with --out.");
        }
    }

    private static string ChecksumOf(JsonObject settings) =>
        Convert.ToHexString(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(settings, OneLine)).AsSpan(0, 8));
}
