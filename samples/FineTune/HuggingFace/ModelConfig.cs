using System.Text.Json;
using LanguageModel;

namespace FineTune.HuggingFace;

/// <summary>What a model's <c>config.json</c> says, and complaints that name the file where it does not.</summary>
internal sealed class ModelConfig
{
    private readonly string path;
    private readonly JsonElement root;

    private ModelConfig(string path, JsonElement root) => (this.path, this.root) = (path, root);

    /// <value>The kind of model: <c>LlamaForCausalLM</c>.</value>
    public string Architecture => Find("architectures") is { ValueKind: JsonValueKind.Array } names && names.GetArrayLength() > 0
        && names[0] is { ValueKind: JsonValueKind.String } name
        ? name.GetString()!
        : throw Wrong("does not say which architecture the model has (architectures)");

    /// <value>The tokens that end a text; none where nothing is said.</value>
    public IReadOnlyList<int> Ends => root.TryGetProperty("eos_token_id", out var ends) switch
    {
        true when ends.ValueKind == JsonValueKind.Array => [.. ends.EnumerateArray().Select(end => Whole(end, "eos_token_id"))],
        true when ends.ValueKind == JsonValueKind.Number => [Whole(ends, "eos_token_id")],
        _ => [],
    };

    /// <summary>Reads the file in <paramref name="folder"/>.</summary>
    /// <exception cref="UserException">There is none, or it is no JSON.</exception>
    public static ModelConfig Read(string folder)
    {
        var path = Path.Combine(folder, "config.json");
        if (!File.Exists(path))
            throw new UserException(Directory.Exists(folder)
                ? $"There is no model in {folder}: config.json is missing. Give the folder of a model, as Hugging Face's save_pretrained writes it."
                : $"There is no folder {Path.GetFullPath(folder)}. Nothing is downloaded: get a model by 'hf download NAME --local-dir FOLDER', "
                    + "and give FOLDER.");

        try
        {
            using var json = JsonDocument.Parse(File.ReadAllText(path));
            return json.RootElement.ValueKind == JsonValueKind.Object
                ? new(path, json.RootElement.Clone())
                : throw new UserException($"{path} holds no object: it should look like {{ \"architectures\": [\"LlamaForCausalLM\"], ... }}.");
        }
        catch (JsonException damage)
        {
            throw new UserException($"{path} cannot be read: {damage.Message}");
        }
    }

    /// <summary>A whole number; <paramref name="otherwise"/> where there is none, an error where that is null.</summary>
    public int Whole(string name, int? otherwise = null) =>
        Find(name) is { } value ? Whole(value, name) : otherwise ?? throw Wrong($"does not say {name}");

    /// <summary>A number; <paramref name="otherwise"/> where there is none, an error where that is null.</summary>
    public double Number(string name, double? otherwise = null) =>
        Find(name) is not { } value ? otherwise ?? throw Wrong($"does not say {name}")
        : value.ValueKind == JsonValueKind.Number ? value.GetDouble()
        : throw Wrong($"has {value.GetRawText()} for {name}, which is no number");

    /// <summary>True or false; <paramref name="otherwise"/> where nothing is said.</summary>
    public bool Flag(string name, bool otherwise) => Find(name) is not { } value ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong($"has {value.GetRawText()} for {name}, which is neither true nor false");

    /// <summary>A word; null where nothing is said.</summary>
    public string? Word(string name) => Find(name)?.ToString();

    /// <summary>The words of a list; none where nothing is said.</summary>
    public IEnumerable<string> Words(string name) =>
        Find(name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray().Select(word => word.ToString()) : [];

    /// <summary>What stands in braces under a name; null where nothing does.</summary>
    public ModelConfig? Part(string name) => Find(name) is { ValueKind: JsonValueKind.Object } part ? new($"{path}, in {name},", part) : null;

    /// <summary>Whether a name is there, if with null.</summary>
    public bool Has(string name) => root.TryGetProperty(name, out _);

    /// <summary>Refuses a model that computes something else than can be computed here.</summary>
    public void Require(bool holds, string complaint)
    {
        if (!holds)
            throw Wrong(complaint);
    }

    private int Whole(JsonElement value, string name) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var whole)
        ? whole
        : throw Wrong($"has {value.GetRawText()} for {name}, which is no whole number");

    private JsonElement? Find(string name) => root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private UserException Wrong(string complaint) => new($"{path} {complaint}.");
}
