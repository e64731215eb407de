using TorchSharp.ApiStubs.Api;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>The shapes of the list's types and members.</summary>
internal sealed class ListedShapes(ApiSurface surface)
{
    public bool Knows(string type) => surface.Types.ContainsKey(type);

    public IEnumerable<string> Types => surface.Types.Keys;

    /// <summary>The members of a type by signature.</summary>
    public Dictionary<string, MemberShape> MembersOf(string type) =>
        surface.Members[type].Select(member => Of(member, surface.Types[type])).ToDictionary(shape => shape.Signature);

    /// <summary>The type itself.</summary>
    public TypeShape TypeOf(string fullName)
    {
        var type = surface.Types[fullName];
        var bases = type.Bases.Select(@base => (Name: @base.Canonical(type.Scope), IsInterface: IsInterface(@base))).ToList();
        return new TypeShape(
            type.FullName,
            string.Join(' ', [.. type.Modifiers, type.Kind.ToString().ToLowerInvariant()]),
            bases.FirstOrDefault(@base => !@base.IsInterface).Name ?? "",
            bases.Where(@base => @base.IsInterface).Select(@base => @base.Name).ToHashSet(),
            type.Kind == TypeKind.Delegate ? CallTargets.Method(false, type.Returns!.Canonical(type.Scope), "Invoke", 0, type.Parameters.Select(parameter => CallTargets.Canonical(parameter, type.Scope))) : "");
    }

    /// <summary>Whether a class that the type derives from declares a member that may be overridden with this signature.</summary>
    public bool InheritsVirtual(string type, string signature)
    {
        for (var name = type; surface.Types.TryGetValue(name, out var current);)
        {
            if (current.Bases.Count == 0 || current.Bases[0] is not NamedType parent) return false;
            name = parent.FullName;
            if (Knows(name) && MembersOf(name).TryGetValue(signature, out var shape) && shape.Traits[MemberShape.Modifiers].Split(' ').Any(word => word is "virtual" or "abstract" or "override"))
                return true;
        }
        return false;
    }

    private MemberShape Of(ApiMember member, ApiType declaring)
    {
        var scope = surface.ScopeOf(member);
        var type = member.Kind == MemberKind.EnumMember ? declaring.FullName : member.Type?.Canonical(scope) ?? "System.Void";
        var parameters = member.Parameters.Select(parameter => Of(parameter, scope)).ToList();
        var kind = member.Kind == MemberKind.EnumMember ? MemberKind.Field : member.Kind;
        return MemberShape.Of(
            kind.ToString().ToLowerInvariant(),
            member.MetadataName,
            member.TypeParameters.Count,
            type,
            parameters,
            member.Kind == MemberKind.EnumMember ? "public const" : string.Join(' ', member.Modifiers),
            string.Join("; ", member.Accessors),
            member.Value is null ? "" : member.Kind == MemberKind.EnumMember ? member.Value : Constants.Of(member.Value, type, surface));
    }

    private ParameterShape Of(ApiParameter parameter, GenericScope scope)
    {
        var type = CallTargets.Canonical(parameter, scope);
        return new ParameterShape(type, parameter.Modifier, parameter.Name, parameter.Default is null ? null : Constants.Of(parameter.Default, type, surface));
    }

    private bool IsInterface(TypeReference type) => type is NamedType name &&
        (surface.Types.TryGetValue(name.FullName, out var known) ? known.Kind == TypeKind.Interface : typeof(object).Assembly.GetType(name.FullName) is { IsInterface: true });
}

/// <summary>A type as source sees it.</summary>
internal sealed record TypeShape(string FullName, string Kind, string Base, IReadOnlySet<string> Interfaces, string Delegate)
{
    /// <summary>Where the other differs from this one, in words; it may implement fewer interfaces.</summary>
    public IEnumerable<string> Differences(TypeShape other)
    {
        if (other.Kind != Kind) yield return $"'{other.Kind}' should be '{Kind}'";
        if (other.Base != Base) yield return $"base '{other.Base}' should be '{Base}'";
        if (other.Delegate != Delegate) yield return $"'{other.Delegate}' should be '{Delegate}'";
        foreach (var extra in other.Interfaces.Except(Interfaces)) yield return $"should not implement {extra}";
    }
}
