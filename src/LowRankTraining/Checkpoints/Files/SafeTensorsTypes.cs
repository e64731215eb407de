namespace LowRankTraining.Checkpoints;

/// <summary>The dtypes of safetensors files by their names.</summary>
internal static class SafeTensorsTypes
{
    private static readonly Dictionary<string, ScalarType> Types = new()
    {
        ["F64"] = ScalarType.Float64,
        ["F32"] = ScalarType.Float32,
        ["F16"] = ScalarType.Float16,
        ["BF16"] = ScalarType.BFloat16,
        ["I64"] = ScalarType.Int64,
        ["I32"] = ScalarType.Int32,
        ["I16"] = ScalarType.Int16,
        ["I8"] = ScalarType.Int8,
        ["U8"] = ScalarType.Byte,
        ["BOOL"] = ScalarType.Bool,
        ["C64"] = ScalarType.ComplexFloat32,
    };

    /// <summary>Bits a number of the dtypes that safetensors has and TorchSharp does not. Tensors of them can stand in a file, and are not read.</summary>
    private static readonly Dictionary<string, int> ForeignTypes = new()
    {
        ["F8_E4M3"] = 8, ["F8_E5M2"] = 8, ["F8_E8M0"] = 8, ["F6_E2M3"] = 6, ["F6_E3M2"] = 6, ["F4"] = 4, ["U16"] = 16, ["U32"] = 32, ["U64"] = 64,
    };

    /// <summary>Bits a number of every dtype of safetensors.</summary>
    public static readonly Dictionary<string, int> Bits =
        Types.ToDictionary(pair => pair.Key, pair => (int)pair.Value.ElementSize() * 8).Concat(ForeignTypes).ToDictionary();

    /// <summary>safetensors' name of a dtype.</summary>
    public static string NameOf(ScalarType type) => Types.FirstOrDefault(pair => pair.Value == type).Key;

    /// <summary>The dtype of a name; null where there is none of that name.</summary>
    public static ScalarType? TypeOf(string? name) => name is not null && Types.TryGetValue(name, out var type) ? type : null;
}
