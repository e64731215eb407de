using System.Text.Json;
using LanguageModel;
using LowRankTraining.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace FineTune.HuggingFace;

/// <summary>The weights of a model: <c>model.safetensors</c>, or several files and <c>model.safetensors.index.json</c>, which says what is where.</summary>
internal sealed class WeightFiles : IDisposable
{
    private const string Single = "model.safetensors";

    /// <summary>Lists the files where there are several.</summary>
    public const string Index = "model.safetensors.index.json";

    /// <summary>What Python's loaders look for before they read a file.</summary>
    private static readonly Dictionary<string, string> WrittenForPyTorch = new() { ["format"] = "pt" };

    private readonly SortedDictionary<string, SafeTensorsFile> files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafeTensorsFile> fileOf = [];

    private WeightFiles() { }

    /// <value>The names of all tensors.</value>
    public IEnumerable<string> Names => fileOf.Keys;

    /// <summary>Opens the files of <paramref name="folder"/> and reads what is in them, but not the weights themselves.</summary>
    /// <exception cref="UserException">A file is missing or damaged, or is not what the index says.</exception>
    public static WeightFiles Open(string folder)
    {
        var opened = new WeightFiles();
        try
        {
            var index = ReadIndex(folder);
            foreach (var name in index?.Values.Distinct() ?? [Single])
                opened.Add(folder, name, index);
            foreach (var (tensor, file) in index ?? [])
                if (!opened.files[file].Has(tensor))
                    throw new UserException($"{Path.Combine(folder, file)} does not hold '{tensor}', which {Index} says is in it. Download the model again.");
            return opened;
        }
        catch (Exception failure)
        {
            opened.Dispose();
            throw failure is InvalidDataException or JsonException or InvalidOperationException or KeyNotFoundException
                ? new UserException(failure.Message) : failure;
        }
    }

    /// <summary>The dtype that a tensor is stored in.</summary>
    public ScalarType TypeOf(string tensor) => fileOf[tensor].TypeOf(tensor);

    /// <summary>The shape that a tensor is stored in.</summary>
    public IReadOnlyList<long> ShapeOf(string tensor) => fileOf[tensor].ShapeOf(tensor);

    /// <summary>Reads a tensor to the CPU.</summary>
    public Tensor Read(string tensor) => fileOf[tensor].Read(tensor);

    /// <summary>Writes files of the same names with the same tensors in the same dtypes, but with other values.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="valueOf">The value of a tensor; null for the one that it has here.</param>
    public void WriteTo(string folder, Func<string, Tensor?> valueOf)
    {
        foreach (var (name, file) in files)
        {
            using var scope = NewDisposeScope();
            var tensors = file.Names.Select(tensor => (tensor, valueOf(tensor)?.to(file.TypeOf(tensor), CPU) ?? file.Read(tensor))).ToArray();
            if (tensors.FirstOrDefault(pair => pair.Item2.is_floating_point() && !pair.Item2.isfinite().all().ToBoolean()).tensor is { } broken)
                throw new UserException($"'{broken}' holds NaN or infinity, so the model is not written. Train with a smaller --lr.");
            SafeTensorsFile.Write(Path.Combine(folder, name), tensors, WrittenForPyTorch);
        }
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (var file in files.Values)
            file.Dispose();
    }

    private void Add(string folder, string name, Dictionary<string, string>? index)
    {
        // What is written later has the names that are read here.
        if (Path.GetFileName(name) != name)
            throw new UserException($"{Path.Combine(folder, Index)} names a file outside of the folder, '{name}'.");
        var path = Path.Combine(folder, name);
        if (!File.Exists(path))
            throw new UserException(index is not null
                ? $"{path} is missing: {Index} names {index.Values.Distinct().Count()} files, and this is one of them. Download the model again."
                : $"There are no weights in {folder}: {Single} is missing. Older files (pytorch_model.bin) have to be saved again by "
                    + "save_pretrained(..., safe_serialization=True).");

        var file = files[name] = SafeTensorsFile.Open(path);
        foreach (var tensor in file.Names)
            fileOf[tensor] = file;
    }

    private static Dictionary<string, string>? ReadIndex(string folder)
    {
        var path = Path.Combine(folder, Index);
        if (!File.Exists(path))
            return null;

        try
        {
            using var json = JsonDocument.Parse(File.ReadAllText(path));
            return json.RootElement.GetProperty("weight_map").EnumerateObject()
                .ToDictionary(entry => entry.Name, entry => entry.Value.GetString() ?? throw new InvalidOperationException("A tensor is in no file."));
        }
        catch (Exception damage) when (damage is JsonException or InvalidOperationException or KeyNotFoundException or ArgumentException)
        {
            throw new UserException($"{path} cannot be read: {damage.Message} It should have a \"weight_map\" of tensors and files. Download the model again.");
        }
    }
}
