using System.Globalization;
using System.Text.Json;
using LanguageModel;

namespace Pretrain;

/// <summary>The folder of a run: its settings, and the newest checkpoint.</summary>
internal sealed class RunFolder
{
    private const string Unfinished = ".unfinished";

    private readonly string path;

    private RunFolder(string path) => this.path = path;

    /// <value>Where it is, as the user named it.</value>
    public string Name => path;

    private string SettingsFile => Path.Combine(path, "settings.json");

    private string Checkpoints => Path.Combine(path, "checkpoints");

    /// <summary>The folder for a new run; made when there is something to write.</summary>
    /// <exception cref="UserException">There is a run in it.</exception>
    public static RunFolder New(string? wanted)
    {
        var folder = new RunFolder(wanted ?? FirstFree());
        return folder.LatestCheckpoint() is null
            ? folder
            : throw new UserException($"There is a run in {folder.path} already. Go on with it by --resume, or name another folder with --out.");
    }

    /// <summary>The folder of a run that was started before.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static RunFolder Existing(string? wanted)
    {
        var path = wanted ?? throw new UserException("--resume needs the folder of the run: add --out DIR.");
        var folder = new RunFolder(path);
        return File.Exists(folder.SettingsFile) && folder.LatestCheckpoint() is not null
            ? folder
            : throw new UserException($"There is no checkpoint in {path}. Name the folder of a run with --out, or leave out --resume to start one.");
    }

    /// <summary>The settings that the run was started with.</summary>
    /// <exception cref="UserException">They cannot be read.</exception>
    public PretrainSettings ReadSettings()
    {
        try
        {
            return JsonSerializer.Deserialize<PretrainSettings>(File.ReadAllText(SettingsFile), PretrainJson.Indented)!;
        }
        catch (JsonException damage)
        {
            throw new UserException($"{SettingsFile} cannot be read: {damage.Message} Start the run anew in another folder.");
        }
    }

    /// <summary>The newest checkpoint's folder.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public string? LatestCheckpoint() => Directory.Exists(Checkpoints)
        ? Directory.EnumerateDirectories(Checkpoints).Where(IsFinished).Order(StringComparer.Ordinal).LastOrDefault()
        : null;

    /// <summary>Writes a checkpoint with <paramref name="write"/>; the one before goes only when it is whole.</summary>
    public void Save(PretrainSettings settings, long step, Action<string> write)
    {
        Directory.CreateDirectory(Checkpoints);
        File.WriteAllText(SettingsFile, JsonSerializer.Serialize(settings, PretrainJson.Indented));

        var folder = Path.Combine(Checkpoints, step.ToString("D9", CultureInfo.InvariantCulture));
        Remove(folder + Unfinished);
        write(folder + Unfinished);
        Remove(folder);
        Directory.Move(folder + Unfinished, folder);

        foreach (var other in Directory.EnumerateDirectories(Checkpoints).Where(other => other != folder).ToList())
            Remove(other);
    }

    private static bool IsFinished(string folder) => !folder.EndsWith(Unfinished, StringComparison.Ordinal);

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private static string FirstFree() => Enumerable.Range(1, int.MaxValue)
        .Select(number => Path.Combine("runs", number.ToString("D3", CultureInfo.InvariantCulture)))
        .First(candidate => !Directory.Exists(candidate));
}
