using System.Text;
using TorchSharp.ApiStubs.Api;

namespace TorchSharp.ApiStubs.Stubs;

/// <summary>Writes types and members as C# whose bodies only throw.</summary>
/// <remarks>
/// Complete are the names, overloads, modifiers, parameters with defaults, constraints and obsolescence: all that decides which call compiles, and to what.
/// Left out is what needs another package (Tensorboard's messages). Explicit interface implementations are not in the list and are written from the interfaces.
/// </remarks>
public sealed class StubWriter(ApiSurface surface)
{
    /// <summary>Every class has a constructor that takes this, so that every derived class can call one.</summary>
    private const string Marker = "global::StubMarker";

    private readonly StringBuilder _source = new();
    private readonly List<string> _leftOut = [];
    private readonly ILookup<string, ApiType> _nested =
        surface.Types.Values.ToLookup(type => ParentOf(type) is { } parent && surface.Types.ContainsKey(parent) ? parent : "");

    /// <summary>Lines that could not be written, because they name types of other packages.</summary>
    public IReadOnlyList<string> LeftOut => _leftOut;

    /// <summary>Types and members written.</summary>
    public int Written { get; private set; }

    /// <summary>The whole surface as one file.</summary>
    public string Write()
    {
        Line("internal sealed class StubMarker { }");
        foreach (var group in _nested[""].GroupBy(NamespaceOf).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            Line($"namespace {group.Key} {{");
            foreach (var type in group) WriteType(type);
            Line("}");
        }
        return _source.ToString();
    }

    private void WriteType(ApiType type)
    {
        if (!CanWrite(type, type.Scope, [.. type.Bases, .. type.Parameters.Select(parameter => parameter.Type)])) return;
        Written++;
        WriteObsolete(type.Obsolete);
        var modifiers = string.Join(' ', type.Modifiers);
        var name = $"@{type.Name.Segments[^1].Name}{TypeParameters(type.Name.Segments[^1])}";
        if (type.Kind == TypeKind.Delegate)
        {
            Line($"{modifiers} delegate {type.Returns!.Source(type.Scope)} {name}({Parameters(type.Parameters, type.Scope)}){Constraints(type.Constraints, type.Scope)};");
            return;
        }

        var bases = type.Bases.Count == 0 ? "" : $" : {string.Join(", ", type.Bases.Select(@base => @base.Source(type.Scope)))}";
        Line($"{modifiers} {Keyword(type.Kind)} {name}{bases}{Constraints(type.Constraints, type.Scope)} {{");
        foreach (var member in surface.Members[type.FullName]) WriteMember(type, member);
        if (type.Kind == TypeKind.Class && !type.Modifiers.Contains("static"))
            Line($"internal @{type.Name.Segments[^1].Name}({Marker} marker){BaseCall(type)} => throw null;");
        if (type.Kind is TypeKind.Class or TypeKind.Struct)
            foreach (var implementation in type.Bases.OfType<NamedType>().SelectMany(@base => ExplicitImplementations.Of(@base, type.Scope, surface)))
                Line(implementation);
        foreach (var nested in _nested[type.FullName]) WriteType(nested);
        Line("}");
    }

    private void WriteMember(ApiType type, ApiMember member)
    {
        var scope = surface.ScopeOf(member);
        List<TypeReference> used = [.. member.Parameters.Select(parameter => parameter.Type)];
        if (member.Type is not null) used.Add(member.Type);
        if (!CanWrite(member, scope, used)) return;
        Written++;
        WriteObsolete(member.Obsolete);
        if (member.Name == "this" && type.Kind != TypeKind.Interface) Line($"[global::System.Runtime.CompilerServices.IndexerName(\"{member.MetadataName}\")]");
        var inInterface = type.Kind == TypeKind.Interface;
        var modifiers = inInterface && !member.Is("static") ? "" : string.Join(' ', member.Modifiers);
        var hasBody = !inInterface && !member.Is("abstract");
        Line(member.Kind switch
        {
            MemberKind.EnumMember => $"@{member.Name} = {member.Value},",
            MemberKind.Constructor => $"{modifiers} @{type.Name.Segments[^1].Name}({Parameters(member.Parameters, scope)}){BaseCall(type)} => throw null;",
            MemberKind.Field => $"{modifiers} {member.Type!.Source(scope)} @{member.Name}{(member.Value is null ? "" : $" = {Constant(member.Value)}")};",
            MemberKind.Event => $"{modifiers} event {member.Type!.Source(scope)} @{member.Name} {{ add => throw null; remove => throw null; }}",
            MemberKind.Property => $"{modifiers} {member.Type!.Source(scope)} {PropertyName(member, scope)} {{ {Accessors(member, hasBody)} }}",
            _ when member is { Name: "Finalize", Parameters.Count: 0 } => $"~@{type.Name.Segments[^1].Name}() => throw null;",
            _ => Method(member, scope, modifiers) + (hasBody ? " => throw null;" : ";"),
        });
    }

    private static string Method(ApiMember member, GenericScope scope, string modifiers)
    {
        var parameters = $"({Parameters(member.Parameters, scope)})";
        if (Operators.Declaration(member.Name, member.Type!.Source(scope)) is { } operation) return $"{modifiers} {operation}{parameters}";
        var generic = member.TypeParameters.Count == 0 ? "" : $"<{string.Join(", ", member.TypeParameters)}>";

        // An override inherits its constraints and must not repeat them.
        var constraints = member.Is("override") ? "" : Constraints(member.Constraints, scope);
        return $"{modifiers} {member.Type.Source(scope)} @{member.Name}{generic}{parameters}{constraints}";
    }

    private static string PropertyName(ApiMember member, GenericScope scope) =>
        member.Name == "this" ? $"this[{Parameters(member.Parameters, scope)}]" : $"@{member.Name}";

    private static string Accessors(ApiMember member, bool hasBody) =>
        string.Join(' ', member.Accessors.Select(accessor => accessor + (hasBody ? " => throw null;" : ";")));

    private static string Parameters(IEnumerable<ApiParameter> parameters, GenericScope scope) =>
        string.Join(", ", parameters.Select(parameter =>
            $"{parameter.Modifier} {parameter.Type.Source(scope)} @{parameter.Name}{(parameter.Default is null ? "" : $" = {Constant(parameter.Default)}")}"));

    private static string Constraints(IEnumerable<ApiConstraint> constraints, GenericScope scope) =>
        string.Concat(constraints.Select(constraint =>
        {
            var words = constraint.Words.Where(word => word != "new()").Concat(constraint.Types.Select(type => type.Source(scope))).Concat(constraint.Words.Where(word => word == "new()"));
            return $" where {constraint.Parameter} : {string.Join(", ", words)}";
        }));

    /// <summary>A constant as the list has it; the name of an enum's member is written so that it means the same anywhere.</summary>
    private static string Constant(string value) =>
        char.IsLetter(value[0]) && value.Contains('.', StringComparison.Ordinal) ? "global::" + string.Join('.', value.Split('.').Select(name => $"@{name}")) : value;

    private string BaseCall(ApiType type) =>
        type.Kind != TypeKind.Class || type.Bases.Count == 0 || type.Bases[0] is not NamedType parent ? "" :
        surface.Types.TryGetValue(parent.FullName, out var known) ? known.Kind == TypeKind.Class ? $" : base(default({Marker}))" : "" :
        parent.FullName == "System.Runtime.InteropServices.SafeHandle" ? " : base(default, default)" : "";

    private bool CanWrite(IApiEntry entry, GenericScope scope, IEnumerable<TypeReference> used)
    {
        var unknown = used.SelectMany(type => type.Names())
            .Any(name => !name.IsParameterOf(scope) && !surface.Types.ContainsKey(name.FullName) && !name.FullName.StartsWith("System.", StringComparison.Ordinal)
                || name.FullName.StartsWith("Tensorboard.", StringComparison.Ordinal));
        if (unknown || entry.Line.StartsWith("Tensorboard.", StringComparison.Ordinal))
        {
            _leftOut.Add(entry.Line);
            return false;
        }
        return true;
    }

    private void WriteObsolete(Obsolescence obsolete)
    {
        if (obsolete != Obsolescence.None) Line($"[global::System.Obsolete(\"\", {(obsolete == Obsolescence.Error ? "true" : "false")})]");
    }

    private void Line(string text) => _source.Append(text).Append('\n');

    private static string Keyword(TypeKind kind) => kind switch
    {
        TypeKind.Class => "class",
        TypeKind.Struct => "struct",
        TypeKind.Interface => "interface",
        _ => "enum",
    };

    private static string TypeParameters(NameSegment segment) =>
        segment.Arguments.Count == 0 ? "" : $"<{string.Join(", ", segment.Arguments.Cast<NamedType>().Select(name => name.Segments[0].Name))}>";

    private static string NamespaceOf(ApiType type) => string.Join('.', type.Name.Segments.SkipLast(1).Select(segment => segment.Name));

    private static string? ParentOf(ApiType type) =>
        type.Name.Segments.Count > 1 ? new NamedType([.. type.Name.Segments.SkipLast(1)]).FullName : null;
}
