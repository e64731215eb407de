namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>A public or protected member as source sees it, read from the list or from metadata.</summary>
/// <param name="Signature">What tells it from its neighbours: kind, name, number of generic parameters, parameter types.</param>
/// <param name="Traits">What else a caller or a derived class depends on, by name: what it returns, its modifiers, its parameters' names and defaults.</param>
internal sealed record MemberShape(string Signature, IReadOnlyDictionary<string, string> Traits)
{
    public const string Modifiers = "modifiers";

    public static MemberShape Of(string kind, string name, int arity, string type, IReadOnlyList<ParameterShape> parameters, string modifiers, string accessors = "", string value = "")
    {
        // Conversions are the only members told apart by what they return.
        var returned = name is "op_Implicit" or "op_Explicit" ? $" -> {type}" : "";
        var signature = $"{kind} {name}{(arity == 0 ? "" : $"``{arity}")}({string.Join(", ", parameters.Select(parameter => parameter.Type))}){returned}";
        return new MemberShape(signature, new Dictionary<string, string>
        {
            ["type"] = type,
            [Modifiers] = modifiers,
            ["parameters"] = string.Join(", ", parameters),
            ["accessors"] = accessors,
            ["value"] = value,
        });
    }

    /// <summary>Where the other differs from this one, in words; null where it does not.</summary>
    public string? Differences(MemberShape other)
    {
        var different = Traits.Where(trait => other.Traits[trait.Key] != trait.Value).Select(trait => $"{trait.Key} '{other.Traits[trait.Key]}' should be '{trait.Value}'").ToList();
        return different.Count == 0 ? null : string.Join("; ", different);
    }
}

/// <summary>A parameter: its type counts for the signature, the rest for source compatibility.</summary>
internal sealed record ParameterShape(string Type, string Modifier, string Name, string? Default)
{
    public override string ToString() => $"{(Modifier == "" ? "" : $"{Modifier} ")}{Name}{(Default is null ? "" : $" = {Default}")}";
}
