namespace LowRankTraining;

/// <summary>A name under which a model has a parameter, and the module that has it there, where that is known.</summary>
internal sealed record ParameterPlace(string Name, nn.Module? Module)
{
    /// <value>Whether it is the table of an embedding there: rows that are looked up, not a matrix that is multiplied.</value>
    public bool IsTable => LooksUpRows(Module);

    /// <value>The name within the module.</value>
    public string LocalName => Split(Name).Local;

    /// <summary>Whether a module is an embedding, alone or as a bag.</summary>
    public static bool LooksUpRows(nn.Module? module) => module is Embedding or EmbeddingBag;

    public bool Matches(string[] patterns) => patterns.Any(pattern => Name.Contains(pattern, StringComparison.Ordinal));

    /// <summary>The places of all parameters of a model, by parameter.</summary>
    public static ILookup<ParameterIdentity, ParameterPlace> In(nn.Module model) =>
        ModulesOf(model)
            .SelectMany(
                owner => owner.Module.named_parameters(recurse: false),
                (owner, own) => (own.parameter, Place: new ParameterPlace(Join(owner.Path, own.name), owner.Module)))
            .ToLookup(pair => ParameterIdentity.Of(pair.parameter), pair => pair.Place);

    /// <summary>A model and all modules in it, with their paths; one that hangs in several places, once for each.</summary>
    public static IEnumerable<(string Path, nn.Module Module)> ModulesOf(nn.Module model) => model.named_modules().Prepend((name: "", module: model));

    /// <exception cref="InvalidOperationException">The model was disposed.</exception>
    public static void RequireIn(nn.Module model)
    {
        if (!model.parameters().Any())
            throw new InvalidOperationException("The model was disposed, and has no parameters any more. Dispose it last, or make it and attach again.");
    }

    /// <summary>The qualified name of what a module at some path has under a name; the path of the model itself is empty.</summary>
    public static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>The path and the name that a qualified name is made of.</summary>
    public static (string Path, string Local) Split(string name)
    {
        var dot = name.LastIndexOf('.');
        return dot < 0 ? ("", name) : (name[..dot], name[(dot + 1)..]);
    }
}
