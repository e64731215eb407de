using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LowRankTraining.Checkpoints;

/// <summary>What PEFT's <c>adapter_config.json</c> says about a LoRA or DoRA adapter.</summary>
internal sealed record PeftConfig
{
    public const string FileName = "adapter_config.json", Kind = "LORA";

    private const int MostPatterns = 10_000;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static readonly JsonSerializerOptions Compact = new() { IgnoreReadOnlyProperties = true };

    private static readonly string[] Tasks = ["CAUSAL_LM", "SEQ_CLS", "SEQ_2_SEQ_LM", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public required int Rank { get; init; }

    public required double Alpha { get; init; }

    public double Dropout { get; init; }

    public bool RankStabilized { get; init; }

    public bool UsesDoRA { get; init; }

    public IReadOnlyDictionary<string, int>? RankPattern { get; init; }

    public IReadOnlyDictionary<string, double>? AlphaPattern { get; init; }

    public IReadOnlyList<string> TargetModules { get; init; } = [];

    public IReadOnlyList<string> ModulesToSave { get; init; } = [];

    /// <value>The checksum of everything that decides what the adapter computes, whatever else is in the file.</value>
    public string Checksum => HashingStream.Of(JsonSerializer.SerializeToUtf8Bytes(
        this with { TargetModules = [], RankPattern = RankPattern ?? Nothing<int>(), AlphaPattern = AlphaPattern ?? Nothing<double>() }, Compact));

    /// <value>For other programs, as the two that follow: nothing of the adapter itself depends on it.</value>
    [JsonIgnore]
    public string? BaseModel { get; init; }

    [JsonIgnore]
    public string? TaskType { get; init; }

    /// <value>Whether the base model keeps its weights as in × out in Python.</value>
    [JsonIgnore]
    public bool FanInFanOut { get; init; }

    /// <exception cref="ArgumentException">PEFT knows no such task.</exception>
    public static void RequireTask(string? task)
    {
        if (task is not null && !Tasks.Contains(task))
            throw new ArgumentException($"PEFT knows no task '{task}': it is one of {string.Join(", ", Tasks)}.", nameof(task));
    }

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or asks for what this library does not do.</exception>
    public static PeftConfig Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no adapter in '{folder}' ({FileName} is missing). Check the path: "
                + "it is the folder, not a file in it.", path);

        try
        {
            // Editors put a byte order mark before a text that they save, some of them with two bytes a letter after it.
            using var document = JsonDocument.Parse(File.ReadAllText(path, Strict));
            PeftFields.RequireSupported(document.RootElement);
            return Parse(document.RootElement);
        }
        catch (Exception failure) when (failure
            is InvalidDataException or JsonException or InvalidOperationException or FormatException or KeyNotFoundException or DecoderFallbackException)
        {
            throw new InvalidDataException($"'{path}': {failure.Message}", failure);
        }
    }

    public void Write(Stream stream)
    {
        var json = new JsonObject
        {
            ["alpha_pattern"] = Patterns(AlphaPattern, Number),
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = BaseModel,
            ["bias"] = "none",
            ["fan_in_fan_out"] = FanInFanOut,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layers_pattern"] = null,
            ["layers_to_transform"] = null,
            ["lora_alpha"] = Number(Alpha),
            ["lora_dropout"] = Dropout,
            ["modules_to_save"] = ModulesToSave.Count == 0 ? null : new JsonArray([.. ModulesToSave.Select(module => JsonValue.Create(module))]),
            ["peft_type"] = Kind,
            ["r"] = Rank,
            ["rank_pattern"] = Patterns(RankPattern, rank => JsonValue.Create(rank)),
            ["revision"] = null,
            ["target_modules"] = new JsonArray([.. TargetModules.Select(module => JsonValue.Create(module))]),
            ["task_type"] = TaskType,
            ["use_dora"] = UsesDoRA,
            ["use_rslora"] = RankStabilized,
        };
        JsonSerializer.Serialize(stream, json, Indented);
    }

    /// <summary>What is not there, or null, is PEFT's default.</summary>
    private static PeftConfig Parse(JsonElement json) => new()
    {
        Rank = Find(json, "r") is { } rank ? Whole(rank, "r") : 8,
        Alpha = Find(json, "lora_alpha") is { } alpha ? Number(alpha, "lora_alpha") : 8,
        Dropout = Find(json, "lora_dropout") is { } dropout ? Number(dropout, "lora_dropout") : 0,
        RankStabilized = IsTrue(json, "use_rslora"),
        UsesDoRA = IsTrue(json, "use_dora"),
        RankPattern = Patterns(json, "rank_pattern", Whole),
        AlphaPattern = Patterns(json, "alpha_pattern", Number),
        ModulesToSave = Names(json, "modules_to_save"),
    };

    private static Dictionary<string, TValue> Nothing<TValue>() => [];

    private static JsonElement? Find(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static int Whole(JsonElement value, string name) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var whole)
        ? whole : throw new InvalidDataException($"{name} holds {value.GetRawText()}, which is no whole number.");

    private static double Number(JsonElement value, string name) =>
        value.ValueKind != JsonValueKind.Number ? throw new InvalidDataException($"{name} holds {value.GetRawText()}, which is no number.")
        : double.IsFinite(value.GetDouble()) ? value.GetDouble()
        : throw new InvalidDataException($"{name} holds {value.GetRawText()}, which is too large.");

    private static string[] Names(JsonElement json, string name) => Find(json, name) is { ValueKind: JsonValueKind.Array } names
        ? [.. names.EnumerateArray().Select(value => value.GetString() is { Length: > 0 } text
            ? text : throw new InvalidDataException($"{name} holds no name."))]
        : [];

    private static bool IsTrue(JsonElement json, string name) => Find(json, name) is { } value
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
            : throw new InvalidDataException($"{name} holds {value.GetRawText()}, which is neither true nor false."));

    private static Dictionary<string, TValue>? Patterns<TValue>(JsonElement json, string name, Func<JsonElement, string, TValue> read)
    {
        if (Find(json, name) is not { ValueKind: JsonValueKind.Object } patterns || !patterns.EnumerateObject().Any())
            return null;

        var count = patterns.EnumerateObject().Count();
        if (count > MostPatterns)
            throw new InvalidDataException($"{name} has {count} patterns, and {MostPatterns} are the most.");
        var values = new Dictionary<string, TValue>(count);
        foreach (var pattern in patterns.EnumerateObject())
            if (!NamePattern.IsValid(pattern.Name))
                throw new InvalidDataException($"'{pattern.Name}' in {name} is neither a name nor a regular expression that can be read.");
            else
                values[pattern.Name] = read(pattern.Value, name);
        if (values.Keys.Count(pattern => !NamePattern.IsPlain(pattern)) is var expressions && expressions > NamePattern.MostMade)
            throw new InvalidDataException($"{name} has {expressions} regular expressions, and {NamePattern.MostMade} are the most: write names.");
        return values;
    }

    private static JsonObject Patterns<TValue>(IReadOnlyDictionary<string, TValue>? patterns, Func<TValue, JsonNode> write) =>
        new((patterns ?? new Dictionary<string, TValue>()).Select(pattern => KeyValuePair.Create(pattern.Key, (JsonNode?)write(pattern.Value))));

    /// <summary>PEFT's α is a whole number wherever it can be.</summary>
    private static JsonValue Number(double value) =>
        value == Math.Round(value) && Math.Abs(value) < int.MaxValue
        ? JsonValue.Create((int)value)
        : JsonValue.Create(value);
}
