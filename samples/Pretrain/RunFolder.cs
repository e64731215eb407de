using System.Globalization;
using LanguageModel;
using LanguageModel.Training;
using LowRankTraining.Checkpoints;

namespace Pretrain;

/// <summary>The folder of a run: its settings, its newest checkpoint, and at the end the model.</summary>
internal sealed class RunFolder
{
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
    /// <param name="wanted">Where it is.</param>
    /// <param name="otherwise">What else can be done where there is none.</param>
    /// <exception cref="UserException">There is none.</exception>
    public static RunFolder Existing(string? wanted, string otherwise)
    {
        var folder = new RunFolder(wanted ?? throw new UserException("The folder of the run is missing: add --out DIR."));
        return File.Exists(folder.SettingsFile) && TrainingCheckpoint.Exists(folder.Path)
            ? folder
            : throw new UserException(
                $"There is no run in {folder.Path} that has saved a checkpoint. Name the folder of one with --out, or {otherwise}.");
    }

    /// <summary>The settings that the run was started with.</summary>
    /// <exception cref="UserException">They cannot be read.</exception>
    public PretrainSettings ReadSettings() => RunSettings.Read<PretrainSettings>(SettingsFile);

    /// <summary>Makes the folder and writes the settings for a later run to read.</summary>
    /// <exception cref="UserException">They cannot be written.</exception>
    public void WriteSettings(PretrainSettings settings) => RunSettings.Write(SettingsFile, settings);

    /// <summary>Writes the trained model, as a whole or not at all.</summary>
    public void SaveModel(TorchSharp.torch.nn.Module model) => AtomicFile.Write(ModelFile, stream =>
    {
        // The stream is flushed afterwards; save(stream) would close it.
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        model.save(writer);
    });

    private static string FirstFree() => Enumerable.Range(1, int.MaxValue)
        .Select(number => System.IO.Path.Combine("runs", number.ToString("D3", CultureInfo.InvariantCulture)))
        .First(candidate => !Directory.Exists(candidate));
}
