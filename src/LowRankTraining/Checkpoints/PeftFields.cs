using System.Text.Json;

namespace LowRankTraining.Checkpoints;

/// <summary>Which fields of <c>adapter_config.json</c> can be followed. One that is not known here belongs to a later PEFT, or to a variant of LoRA whose
/// factors mean something else: read as plain ones they would give another model.</summary>
internal static class PeftFields
{
    /// <summary>What is read, and what says nothing about how factors act: the names of the tensors tell which layers there are, and that Python keeps a weight
    /// as in × out (fan_in_fan_out, GPT-2) turns neither A nor B.</summary>
    private static readonly HashSet<string> Followed =
    [
        "r", "lora_alpha", "lora_dropout", "bias", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "peft_type",
        "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "init_lora_weights", "inference_mode", "task_type", "auto_mapping",
        "base_model_name_or_path", "revision", "peft_version", "runtime_config", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
        "megatron_core", "fan_in_fan_out", "qalora_group_size", "ensure_weight_tying",
    ];

    /// <summary>What changes how factors act, with what it means.</summary>
    private static readonly Dictionary<string, string> Refused = new()
    {
        ["lora_bias"] = "factors with a bias cannot be read",
        ["layer_replication"] = "layers that are repeated cannot be adapted",
        ["trainable_token_indices"] = "an adapter with more than factors and whole modules cannot be read",
        ["target_parameters"] = "factors of parameters that are no layers' weights cannot be read",
        ["alora_invocation_tokens"] = "an activated LoRA (aLoRA) acts from a token on, and plain LoRA everywhere",
        ["arrow_config"] = "Arrow routes between adapters, and plain LoRA adds one",
        ["use_qalora"] = "QALoRA pools the inputs of its factors",
        ["use_bdlora"] = "block-diagonal factors cannot be read",
        ["monteclora_config"] = "MonteCLoRA samples its factors in every forward pass",
        ["kasa_config"] = "KaSA has a diagonal between its factors, beside a weight without its smallest singular values",
        ["megatron_config"] = "Megatron's parallel layers cannot be adapted",
    };

    /// <summary>Starts that change the weight: the adapter then fits no other.</summary>
    private static readonly string[] ChangedBases = ["pissa", "olora", "loftq", "lora_ga", "corda"];

    internal static IEnumerable<string> Known => Followed.Concat(Refused.Keys);

    /// <exception cref="InvalidDataException">A field asks for what this library does not do, or may do so.</exception>
    public static void RequireSupported(JsonElement json)
    {
        if (!json.TryGetProperty("peft_type", out var kind) || kind.GetString() != PeftConfig.Kind)
            throw new InvalidDataException($"peft_type is not {PeftConfig.Kind}: only LoRA and DoRA adapters can be read.");
        foreach (var field in json.EnumerateObject().Where(field => !Followed.Contains(field.Name) && !IsUnset(field.Value)))
            throw new InvalidDataException($"{field.Name} is {Short(field.Value)}: " + (Refused.TryGetValue(field.Name, out var meaning)
                ? $"{meaning}."
                : "this version of the library does not know what it means. Where it does not change what the adapter computes, take it out of the file."));
        if (json.TryGetProperty("init_lora_weights", out var start) && ChangesBase(start))
            throw new InvalidDataException($"init_lora_weights is {start}: such an adapter fits only the changed weights that it was trained beside. "
                + "Convert it to a plain one in PEFT (path_initial_model_for_weight_conversion) first.");
    }

    private static bool IsUnset(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.String => value.GetString() is "none" or "",
        _ => false,
    };

    private static bool ChangesBase(JsonElement start) =>
        start.ValueKind == JsonValueKind.String
        && Array.Exists(ChangedBases, name => start.GetString()!.StartsWith(name, StringComparison.OrdinalIgnoreCase));

    private static string Short(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => $"a list of {value.GetArrayLength()}",
        JsonValueKind.Object => $"an object of {value.EnumerateObject().Count()}",
        _ => value.ToString() is { Length: > 60 } text ? $"{text[..60]}..." : value.ToString(),
    };
}
