using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using LanguageModel;
using LowRankTraining.Checkpoints;

namespace Pretrain;

/// <summary>The folder of a run: its settings, its newest checkpoint, and at the end the model.</summary>
internal sealed class RunFolder
{
    private const string Checksum = "checksum";

    private RunFolder(string path) => Path = path;

    /// <value>Where it is, as the user named it.</value>
    public string Path { get; }

    /// <value>The trained model, in TorchSharp's format.</value>
    public string ModelFile => System.IO.Path.Combine(Path, "model.dat");

    private string SettingsFile => System.IO.Path.Combine(Path, "settings.json");

    /// <summary>The folder for a new run; made when there is something to write.</summary>
    /// <exception cref="UserException">There is a run in it.</exception>
    public static RunFolder New(string? wanted)
    {
        var folder = new RunFolder(wanted ?? FirstFree());
        return TrainingCheckpoint.Exists(folder.Path)
            ? throw new UserException($"There is a run in {folder.Path} already. Go on with it by --resume, or name another folder with --out.")
            : folder;
    }

    /// <summary>The folder of a run that was started before.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static RunFolder Existing(string? wanted)
    {
        var folder = new RunFolder(wanted ?? throw new UserException("--resume needs the folder of the run: add --out DIR."));
        return File.Exists(folder.SettingsFile) && TrainingCheckpoint.Exists(folder.Path)
            ? folder
            : throw new UserException(
                $"There is no run to go on with in {folder.Path}. Name the folder of a run with --out, or leave out --resume to start one.");
    }

    /// <summary>The settings that the run was started with.</summary>
    /// <exception cref="UserException">They cannot be read.</exception>
    public PretrainSettings ReadSettings()
    {
        try
        {
            var settings = JsonNode.Parse(File.ReadAllText(SettingsFile)) as JsonObject ?? throw new JsonException("It holds no settings.");
            if (settings[Checksum]?.ToString() is { } checksum && settings.Remove(Checksum) && checksum != ChecksumOf(settings))
                throw new JsonException("The settings are not those that were written.");
            return settings.Deserialize<PretrainSettings>(PretrainJson.Indented)!;
        }
        catch (Exception damage) when (damage is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new UserException($"{SettingsFile} cannot be read: {damage.Message} Start the run again in another folder.");
        }
    }

    /// <summary>Makes the folder and writes the settings for a later run to read.</summary>
    /// <exception cref="UserException">They cannot be written.</exception>
    public void WriteSettings(PretrainSettings settings)
    {
        try
        {
            Directory.CreateDirectory(Path);
            var json = (JsonObject)JsonSerializer.SerializeToNode(settings, PretrainJson.Indented)!;
            json[Checksum] = ChecksumOf(json);
            AtomicFile.Write(SettingsFile, stream => JsonSerializer.Serialize(stream, json, PretrainJson.Indented));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"The run cannot be written to {Path}: {failure.Message} Name another folder with --out.");
        }
    }

    /// <summary>Writes the trained model, as a whole or not at all.</summary>
    public void SaveModel(TorchSharp.torch.nn.Module model) => AtomicFile.Write(ModelFile, stream =>
    {
        // The stream is flushed afterwards; save(stream) would close it.
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        model.save(writer);
    });

    private static string ChecksumOf(JsonObject settings) =>
        Convert.ToHexString(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(settings, PretrainJson.OneLine)).AsSpan(0, 8));

    private static string FirstFree() => Enumerable.Range(1, int.MaxValue)
        .Select(number => System.IO.Path.Combine("runs", number.ToString("D3", CultureInfo.InvariantCulture)))
        .First(candidate => !Directory.Exists(candidate));
}
