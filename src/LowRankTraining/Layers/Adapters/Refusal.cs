namespace LowRankTraining.Layers;

/// <summary>Says where a method cannot go in as asked, why, and what does work there.</summary>
internal static class Refusal
{
    private const int Most = 8;
    private const string Untouched = "a method that leaves the layers as they are, such as GaLore, or LoRA under Injection.Shadow with its usual start,";

    /// <summary>The sentence for matrices that are refused.</summary>
    public static string Of(IReadOnlyList<(Site Site, string Reason)> refused, int chosen, Injection wanted, AdapterMethod method)
    {
        var list = $"{refused.Count} of the matrices: {refused.Select(pair => $"{pair.Site.Name} ({pair.Reason})").Few(Most, "; ")}";
        var sentence = method.Ways is [Injection.Replace]
            ? $"'{method.Strategy}' puts layers of its own in the place of linear ones, and cannot do so for {list}."
            : wanted == Injection.Auto ? $"'{method.Strategy}' cannot adapt {list}." : $"Injection.{wanted} does not work for {list}.";
        var alternatives = Alternatives([.. refused.Select(pair => pair.Site)], chosen, wanted, method);
        return $"{sentence} What works for them: {string.Join("; or ", alternatives)}. Nothing was changed.";
    }

    /// <summary>What a method has left where hooks are passed by.</summary>
    public static string WithoutHooks(AdapterMethod method) => method.Ways.Contains(Injection.Shadow)
        ? "or use Injection.Shadow"
        : $"or hold the layer in a field of type Module<Tensor, Tensor>, where it is replaced; {Untouched} works as the model is";

    private static IEnumerable<string> Alternatives(Site[] refused, int chosen, Injection wanted, AdapterMethod method)
    {
        var ways = refused.Select(site => site.Choose(Injection.Auto, method.Ways).Way).Distinct().ToArray();
        var goesByItself = wanted != Injection.Auto && !ways.Contains(null);
        if (goesByItself)
            yield return $"Injection.Auto, which comes to {string.Join(" or ", ways.Select(way => $"Injection.{way}"))}"
                + (method.Ways.Contains(Injection.Shadow) ? "" : " and needs a model that runs the layers by call()");
        if (goesByItself && method.Ways.Contains(Injection.Shadow) && !ways.Contains(Injection.Shadow))
            yield return "Injection.Shadow";
        if (refused.All(site => site.IsHeldTooNarrowly))
            yield return "the layers in a field, list or dictionary of type Module<Tensor, Tensor>, or in a Sequential";
        if (Array.Exists(refused, site => site.HasHooks))
            yield return "the layers without their forward hooks: remove these, attach, and register them on the layers that the model has then";
        if (refused.Length < chosen)
            yield return $"Targets.Except({refused.Select(site => $"\"{site.Name}\"").Few(Most)}), which leaves them out";
        if (!goesByItself)
            yield return $"{Untouched} for all of the model";
    }
}
