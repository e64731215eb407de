using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Types of the weights by the names of the command line.</summary>
public static class Dtypes
{
    /// <summary>The type named <paramref name="name"/>.</summary>
    /// <exception cref="UserException">No such type.</exception>
    public static ScalarType Find(string name) => name.ToLowerInvariant() switch
    {
        "float32" => ScalarType.Float32,
        "bfloat16" => ScalarType.BFloat16,
        _ => throw new UserException($"There is no dtype '{name}'. Choose one of: float32, bfloat16."),
    };
}
