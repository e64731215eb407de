using LanguageModel;
using LanguageModel.Model;
using LanguageModel.Training;
using LowRankTraining.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace FineTune.HuggingFace;

/// <summary>A model as Hugging Face's <c>save_pretrained</c> writes it, in a folder: read, changed, and written in the same form.</summary>
internal sealed class PretrainedModel : IDisposable
{
    /// <summary>What lies beside the weights and is copied with them.</summary>
    private static readonly string[] Companions =
    [
        "config.json", "generation_config.json", WeightFiles.Index, "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
    ];

    /// <summary>Problems that a message has room for.</summary>
    private const int Told = 4;

    private readonly WeightFiles files;

    private PretrainedModel(string folder, ModelConfig config, Family family, WeightFiles files, CausalLanguageModel model) =>
        (Folder, Config, Family, this.files, Model) = (folder, config, family, files, model);

    /// <value>Where it came from.</value>
    public string Folder { get; }

    /// <value>What its <c>config.json</c> says.</value>
    public ModelConfig Config { get; }

    /// <value>How it is made.</value>
    public Family Family { get; }

    /// <value>The model.</value>
    public CausalLanguageModel Model { get; }

    /// <summary>Reads the model in <paramref name="folder"/>.</summary>
    /// <param name="folder">With <c>config.json</c> and the weights.</param>
    /// <param name="type">Dtype to train in, whatever the files have.</param>
    /// <param name="device">Where it goes.</param>
    /// <exception cref="UserException">It is of another architecture, or incomplete, or its weights have other shapes than its sizes call for.</exception>
    public static PretrainedModel Load(string folder, ScalarType type, Device device)
    {
        var config = ModelConfig.Read(folder);
        var family = Family.Of(config);
        var files = WeightFiles.Open(folder);
        CausalLanguageModel? model = null;
        try
        {
            var places = PlacesOf(files, family, config);
            RequireFit(folder, files, family, config, places);
            model = Dtypes.In(type, () => family.Create(config));
            model.to(device, type);
            var loaded = new PretrainedModel(folder, config, family, files, model);
            loaded.ReadWeights(places);
            return loaded;
        }
        catch
        {
            model?.Dispose();
            files.Dispose();
            throw;
        }
    }

    /// <summary>Folds the adapter in <paramref name="folder"/> into the weights.</summary>
    /// <exception cref="UserException">There is none, or it is for another model.</exception>
    public void Merge(string folder)
    {
        try
        {
            using var session = PeftAdapter.MethodOf(folder).Attach(Model, PeftAdapter.TargetsOf(folder));
            PeftAdapter.Load(folder, session);
            session.Finish();
        }
        catch (Exception refusal) when (refusal is FileNotFoundException or InvalidDataException or ArgumentException)
        {
            throw new UserException(refusal.Message);
        }
    }

    /// <summary>Writes the model, with the names, shapes and dtypes that it was read from, and the tokenizer and configuration beside it.</summary>
    /// <exception cref="UserException">The folder is the one that it was read from, or a weight is not finite.</exception>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        if (AreOne(folder, Folder))
            throw new UserException($"The model would be written over the one that it came from, in {folder}. Name another folder.");

        using var frozen = no_grad();
        var parameters = Parameters();
        files.WriteTo(folder, tensor =>
            Family.ParameterOf(tensor, Config) is { } place ? Turned(parameters[place.Parameter].detach(), place.IsTransposed).contiguous() : null);
        foreach (var name in Companions.Where(name => File.Exists(Path.Combine(Folder, name))))
            File.Copy(Path.Combine(Folder, name), Path.Combine(folder, name), overwrite: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        files.Dispose();
    }

    /// <summary>Whether what appears in one folder is in the other: names may differ by case, links, drives and a last slash.</summary>
    private static bool AreOne(string one, string other)
    {
        var name = $".{Guid.NewGuid():N}.tmp";
        using var probe = new FileStream(Path.Combine(one, name), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        return File.Exists(Path.Combine(other, name));
    }

    private Dictionary<string, Parameter> Parameters() => Model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);

    /// <summary>The parameter that each tensor of the files is.</summary>
    private static Dictionary<string, (string Parameter, bool IsTransposed)> PlacesOf(WeightFiles files, Family family, ModelConfig config) =>
        files.Names.Select(tensor => (Tensor: tensor, Place: family.ParameterOf(tensor, config)))
            .Where(entry => entry.Place is not null).ToDictionary(entry => entry.Tensor, entry => entry.Place!.Value);

    private void ReadWeights(Dictionary<string, (string Parameter, bool IsTransposed)> places)
    {
        // Where the embedding stands there once more as the head, it counts under its own name.
        using var frozen = no_grad();
        var parameters = Parameters();
        foreach (var (tensor, (name, isTransposed)) in places.OrderBy(entry => entry.Value.Parameter.EndsWith(entry.Key, StringComparison.Ordinal)))
        {
            using var scope = NewDisposeScope();
            var weight = files.Read(tensor);
            if (!weight.isfinite().all().ToBoolean())
                throw new UserException($"'{tensor}' in {Folder} holds NaN or infinity. Download the model again, or export it anew.");
            parameters[name].copy_(Turned(weight, isTransposed));
        }
    }

    /// <summary>Refuses files with other tensors than the model would have, or with other shapes, and names the first of them, before it takes its
    /// memory.</summary>
    private static void RequireFit(
        string folder, WeightFiles files, Family family, ModelConfig config, Dictionary<string, (string Parameter, bool IsTransposed)> places)
    {
        // What is missing may go on without end: the sizes are asked for no further than they are told.
        var found = places.Values.Select(place => place.Parameter).ToHashSet();
        List<string> problems = [.. family.Shapes(config).Where(size => !found.Contains(size.Name)).Take(Told + 1).Select(size => $"'{size.Name}' is missing")];
        if (problems.Count <= Told)
        {
            var shapes = family.Shapes(config).ToDictionary(size => size.Name, size => size.Shape);
            problems.AddRange(
            [
                .. places.Where(entry => !shapes.ContainsKey(entry.Value.Parameter)).Select(entry => $"'{entry.Key}' has no place in the model"),
                .. places.Where(entry => shapes.TryGetValue(entry.Value.Parameter, out var shape) && !Stored(shape, entry.Value.IsTransposed)
                        .SequenceEqual(files.ShapeOf(entry.Key)))
                    .Select(entry => $"'{entry.Key}' is [{string.Join(", ", files.ShapeOf(entry.Key))}], and config.json calls for "
                        + $"[{string.Join(", ", Stored(shapes[entry.Value.Parameter], entry.Value.IsTransposed))}]"),
                .. places.Keys.Where(tensor => files.TypeOf(tensor)
                        is not (ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
                    .Select(tensor => $"'{tensor}' is of dtype {files.TypeOf(tensor)}, as in a quantized model, which cannot be read"),
            ]);
        }

        if (problems.Count > 0)
            throw new UserException($"The weights in {folder} are not those of the {config.Architecture} that config.json describes: "
                + $"{string.Join("; ", problems.Take(Told))}{(problems.Count > Told ? "; and more" : "")}.");
    }

    private static IEnumerable<long> Stored(long[] shape, bool isTransposed) => isTransposed ? shape.Reverse() : shape;

    private static Tensor Turned(Tensor matrix, bool isTransposed) => isTransposed ? matrix.t() : matrix;
}
