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

    /// <summary>Makes a model whose weights are of <paramref name="type"/> from the first one on: it is never there in two types.</summary>
    public static TModel In<TModel>(ScalarType type, Func<TModel> make)
    {
        var usual = get_default_dtype();
        set_default_dtype(type);
        try
        {
            return make();
        }
        finally
        {
            set_default_dtype(usual);
        }
    }
}
