using TorchSharp.ApiStubs.Api;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>What compiled code can name in the real assembly: methods, accessors, constructors and fields, spelled as in metadata.</summary>
internal sealed class CallTargets
{
    private readonly ApiSurface _surface;
    private readonly ILookup<string, string> _targets;

    public CallTargets(ApiSurface surface)
    {
        _surface = surface;
        _targets = surface.Types.Values.SelectMany(type => surface.Members[type.FullName].SelectMany(Of).Concat(OfDelegate(type)).Select(target => (type.FullName, Target: target)))
            .ToLookup(pair => pair.FullName, pair => pair.Target);
    }

    /// <summary>Whether the type, or a class that it derives from, has the target: the runtime looks in that order too.</summary>
    public bool Contains(string type, string target)
    {
        for (ApiType? current = _surface.Types.GetValueOrDefault(type); current is not null; current = BaseOf(current))
            if (_targets[current.FullName].Contains(target)) return true;
        return false;
    }

    /// <summary>What a reader would look at first when a target is missing.</summary>
    public IEnumerable<string> Nearest(string type, string target) => Similarity.Nearest(target, _targets[type], limit: 3);

    private ApiType? BaseOf(ApiType type) => type.Bases.Count > 0 && type.Bases[0] is NamedType name ? _surface.Types.GetValueOrDefault(name.FullName) : null;

    private IEnumerable<string> Of(ApiMember member)
    {
        var scope = _surface.ScopeOf(member);
        var isStatic = member.Is("static") || member.Is("const");
        var parameters = member.Parameters.Select(parameter => Canonical(parameter, scope)).ToList();
        var type = member.Type?.Canonical(scope);
        return member.Kind switch
        {
            MemberKind.Constructor => [Method(isStatic: false, "System.Void", ".ctor", 0, parameters)],
            MemberKind.Method => [Method(isStatic, type!, member.Name, member.TypeParameters.Count, parameters)],
            MemberKind.Property => member.Accessors.Select(accessor => accessor.EndsWith("get", StringComparison.Ordinal)
                ? Method(isStatic, type!, $"get_{member.MetadataName}", 0, parameters)
                : Method(isStatic, accessor.EndsWith("init", StringComparison.Ordinal) ? CanonicalTypes.InitOnly : "System.Void", $"set_{member.MetadataName}", 0, [.. parameters, type!])),
            MemberKind.Event => [Method(isStatic, "System.Void", $"add_{member.Name}", 0, [type!]), Method(isStatic, "System.Void", $"remove_{member.Name}", 0, [type!])],
            MemberKind.Field => [Field(type!, member.Name)],
            _ => [],
        };
    }

    private static IEnumerable<string> OfDelegate(ApiType type) => type.Kind != TypeKind.Delegate ? [] :
    [
        Method(isStatic: false, "System.Void", ".ctor", 0, ["System.Object", "System.IntPtr"]),
        Method(isStatic: false, type.Returns!.Canonical(type.Scope), "Invoke", 0, [.. type.Parameters.Select(parameter => Canonical(parameter, type.Scope))]),
    ];

    public static string Canonical(ApiParameter parameter, GenericScope scope) =>
        parameter.Type.Canonical(scope) + (parameter.Modifier.Split(' ') is var words && (words.Contains("ref") || words.Contains("out") || words.Contains("in")) ? "&" : "");

    public static string Method(bool isStatic, string returns, string name, int arity, IEnumerable<string> parameters) =>
        $"{(isStatic ? "static " : "")}{returns} {name}{(arity == 0 ? "" : $"``{arity}")}({string.Join(", ", parameters)})";

    public static string Field(string type, string name) => $"{type} {name}";
}
