using System.Text.Json;
using System.Text.Json.Nodes;

namespace LowRankTraining.Checkpoints;

/// <summary>What PEFT's <c>adapter_config.json</c> says about a LoRA or DoRA adapter.</summary>
internal sealed record PeftConfig
{
    public const string FileName = "adapter_config.json";

    private const string Kind = "LORA";

    /// <summary>Starts that change the weight: the adapter then fits no other.</summary>
    private static readonly string[] ChangedBases = ["pissa", "olora", "loftq", "lora_ga", "corda", "mica"];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public required int Rank { get; init; }

    public required double Alpha { get; init; }

    public double Dropout { get; init; }

    public bool RankStabilized { get; init; }

    public bool UsesDoRA { get; init; }

    public IReadOnlyDictionary<string, int>? RankPattern { get; init; }

    public IReadOnlyDictionary<string, double>? AlphaPattern { get; init; }

    public IReadOnlyList<string> TargetModules { get; init; } = [];

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
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            RequireSupported(document.RootElement);
            return Parse(document.RootElement);
        }
        catch (Exception failure) when (failure
            is InvalidDataException or JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new InvalidDataException($"'{path}': {failure.Message}", failure);
        }
    }

    /// <inheritdoc cref="Read(string)"/>
    public static PeftConfig Read(string folder, bool usesDoRA)
    {
        var config = Read(folder);
        return config.UsesDoRA == usesDoRA ? config : throw new InvalidDataException(
            $"The adapter in '{folder}' is "
            + $"{(config.UsesDoRA ? "a DoRA one: use PeftAdapter.DoRAOf or MethodOf" : "a plain LoRA one: use PeftAdapter.LoRAOf or MethodOf")}.");
    }

    public void Write(string folder)
    {
        var json = new JsonObject
        {
            ["alpha_pattern"] = Patterns(AlphaPattern, Number),
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = null,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layers_pattern"] = null,
            ["layers_to_transform"] = null,
            ["lora_alpha"] = Number(Alpha),
            ["lora_dropout"] = Dropout,
            ["modules_to_save"] = null,
            ["peft_type"] = Kind,
            ["r"] = Rank,
            ["rank_pattern"] = Patterns(RankPattern, rank => JsonValue.Create(rank)),
            ["revision"] = null,
            ["target_modules"] = new JsonArray([.. TargetModules.Select(module => JsonValue.Create(module))]),
            ["task_type"] = null,
            ["use_dora"] = UsesDoRA,
            ["use_rslora"] = RankStabilized,
        };
        AtomicFile.Write(Path.Combine(folder, FileName), stream => JsonSerializer.Serialize(stream, json, Indented));
    }

    private static PeftConfig Parse(JsonElement json) => new()
    {
        Rank = json.GetProperty("r").GetInt32(),
        Alpha = json.GetProperty("lora_alpha").GetDouble(),
        Dropout = json.TryGetProperty("lora_dropout", out var dropout) ? dropout.GetDouble() : 0,
        RankStabilized = IsTrue(json, "use_rslora"),
        UsesDoRA = IsTrue(json, "use_dora"),
        RankPattern = Patterns(json, "rank_pattern", rank => rank.GetInt32()),
        AlphaPattern = Patterns(json, "alpha_pattern", alpha => alpha.GetDouble()),
        TargetModules = json.TryGetProperty("target_modules", out var targets) && targets.ValueKind == JsonValueKind.Array
            ? [.. targets.EnumerateArray().Select(target => target.GetString()!)]
            : [],
    };

    private static void RequireSupported(JsonElement json)
    {
        if (!json.TryGetProperty("peft_type", out var kind) || kind.GetString() != Kind)
            throw new InvalidDataException($"peft_type is not {Kind}: only LoRA and DoRA adapters can be read.");
        if (json.TryGetProperty("bias", out var bias) && bias.GetString() is not ("none" or null))
            throw new InvalidDataException($"bias is {bias}: adapters that train biases cannot be read.");
        foreach (var flag in new[] { "fan_in_fan_out", "lora_bias" })
            if (IsTrue(json, flag))
                throw new InvalidDataException($"{flag} is true, which cannot be read.");
        foreach (var part in new[] { "modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters" })
            if (json.TryGetProperty(part, out var value) && !IsEmpty(value))
                throw new InvalidDataException($"{part} is set: an adapter with more than factors cannot be read.");
        if (json.TryGetProperty("init_lora_weights", out var start) && ChangesBase(start))
            throw new InvalidDataException($"init_lora_weights is {start}: such an adapter fits only the changed weights that it was trained beside. "
                + "Convert it to a plain one in PEFT (path_initial_model_for_weight_conversion) first.");
    }

    private static bool IsEmpty(JsonElement value) =>
        value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0);

    private static bool ChangesBase(JsonElement start) =>
        start.ValueKind == JsonValueKind.String
        && Array.Exists(ChangedBases, name => start.GetString()!.StartsWith(name, StringComparison.OrdinalIgnoreCase));

    private static bool IsTrue(JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static Dictionary<string, TValue>? Patterns<TValue>(JsonElement json, string name, Func<JsonElement, TValue> read) =>
        json.TryGetProperty(name, out var patterns) && patterns.ValueKind == JsonValueKind.Object && patterns.EnumerateObject().Any()
            ? patterns.EnumerateObject().ToDictionary(pattern => pattern.Name, pattern => read(pattern.Value))
            : null;

    private static JsonObject Patterns<TValue>(IReadOnlyDictionary<string, TValue>? patterns, Func<TValue, JsonNode> write) =>
        new((patterns ?? new Dictionary<string, TValue>()).Select(pattern => KeyValuePair.Create(pattern.Key, (JsonNode?)write(pattern.Value))));

    /// <summary>PEFT's α is a whole number wherever it can be.</summary>
    private static JsonValue Number(double value) =>
        value == Math.Round(value) && Math.Abs(value) < int.MaxValue
        ? JsonValue.Create((int)value)
        : JsonValue.Create(value);
}
