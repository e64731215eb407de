using LowRankTraining.Diagnostics;
using Microsoft.Extensions.Logging;

namespace LowRankTraining.Layers;

/// <summary>Which weights can be kept in a quantized format.</summary>
internal static class QuantizedBase
{
    /// <summary>Refuses weights that cannot be quantized whatever is done, and notes those whose layer cannot be replaced.</summary>
    /// <exception cref="ArgumentException">A weight of an unsupported dtype; or, under Strict, one that stays dense.</exception>
    public static IEnumerable<KeyValuePair<string, string>> Check(
        IReadOnlyList<(Site Site, Injection Way)> chosen, AdapterRecipe recipe, ILogger? logger, bool strict)
    {
        if (recipe.Base == BaseFormat.Dense)
            return [];

        var unsupported = chosen.Where(pair => !QuantizedLowRankLinear.Takes(pair.Site.Weight.dtype))
            .Select(pair => $"{pair.Site.Name} ({pair.Site.Weight.dtype})")
            .ToArray();
        if (unsupported.Length > 0)
            throw new ArgumentException($"Weights are kept in {recipe.Base} from float32, bfloat16 or float16 only, and these are in another dtype: "
                + $"{Few(unsupported)}. "
                + "Convert the model with model.to(ScalarType.Float32), or leave Base at Dense. Nothing was changed.");

        var dense = chosen.Where(pair => pair.Way != Injection.Replace)
            .Select(pair => (pair.Site.Name, Reason: pair.Site.Choose(Injection.Replace, [Injection.Replace]).Reason))
            .ToArray();
        var text = Few([.. dense.Select(pair => $"{pair.Name} ({pair.Reason})")]);
        if (dense.Length > 0 && strict)
            throw new ArgumentException($"Under Strict every adapted weight must be kept in {recipe.Base}, "
                + $"and the layers of {dense.Length} cannot be replaced: {text}. "
                + "Hold them in fields of type Module<Tensor, Tensor>, or leave them out with Targets.Except. Nothing was changed.");
        if (dense.Length > 0)
            logger?.BaseKeptDense(recipe.Strategy, dense.Length, recipe.Base.ToString(), text);

        return dense.Select(pair => KeyValuePair.Create(pair.Name, $"not in {recipe.Base}: {pair.Reason}"));
    }

    private static string Few(string[] names) => $"{string.Join("; ", names.Take(8))}{(names.Length > 8 ? "; ..." : "")}";
}
