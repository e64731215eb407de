namespace TorchSharp.ApiStubs.Api;

/// <summary>A type as the list writes it: C#'s notation with full names.</summary>
public abstract record TypeReference
{
    /// <summary>The type as metadata sees it, such as <c>System.Nullable`1&lt;System.Int64&gt;</c>; generic parameters by number, <c>!0</c> of the type and <c>!!0</c> of the method.</summary>
    public abstract string Canonical(GenericScope scope);

    /// <summary>The type as source that means the same wherever it stands.</summary>
    public abstract string Source(GenericScope scope);

    /// <summary>Every named type in it, itself included.</summary>
    public abstract IEnumerable<NamedType> Names();
}

/// <summary>One step of a qualified name, with the generic arguments written there.</summary>
public sealed record NameSegment(string Name, IReadOnlyList<TypeReference> Arguments)
{
    /// <summary>The step's name in metadata: the number of its generic parameters follows a back-tick.</summary>
    public string MetadataName => Arguments.Count == 0 ? Name : $"{Name}`{Arguments.Count}";
}

/// <summary>A named type, a keyword for one, or a generic parameter.</summary>
public sealed record NamedType(IReadOnlyList<NameSegment> Segments) : TypeReference
{
    private static readonly Dictionary<string, string> Keywords = new()
    {
        ["bool"] = "Boolean", ["byte"] = "Byte", ["sbyte"] = "SByte", ["short"] = "Int16", ["ushort"] = "UInt16", ["int"] = "Int32", ["uint"] = "UInt32",
        ["long"] = "Int64", ["ulong"] = "UInt64", ["float"] = "Single", ["double"] = "Double", ["decimal"] = "Decimal", ["char"] = "Char",
        ["string"] = "String", ["object"] = "Object", ["void"] = "Void", ["nint"] = "IntPtr", ["nuint"] = "UIntPtr",
    };

    private bool IsSimple => Segments is [{ Arguments.Count: 0 }];

    /// <summary>The full name in metadata, nested types joined by dots.</summary>
    public string FullName => IsSimple && Keywords.TryGetValue(Segments[0].Name, out var name)
        ? $"System.{name}"
        : string.Join('.', Segments.Select(segment => segment.MetadataName));

    /// <summary>Whether it is a generic parameter of the scope.</summary>
    public bool IsParameterOf(GenericScope scope) => IsSimple && scope.Find(Segments[0].Name) is not null;

    /// <inheritdoc/>
    public override string Canonical(GenericScope scope)
    {
        if (IsSimple && scope.Find(Segments[0].Name) is { } parameter) return parameter;
        var arguments = Segments.SelectMany(segment => segment.Arguments).ToList();
        return arguments.Count == 0 ? FullName : $"{FullName}<{string.Join(',', arguments.Select(argument => argument.Canonical(scope)))}>";
    }

    /// <inheritdoc/>
    public override string Source(GenericScope scope)
    {
        if (IsSimple) return Keywords.ContainsKey(Segments[0].Name) ? Segments[0].Name : $"@{Segments[0].Name}";
        return "global::" + string.Join('.', Segments.Select(segment => $"@{segment.Name}{Arguments(segment, scope)}"));
    }

    /// <inheritdoc/>
    public override IEnumerable<NamedType> Names() =>
        Segments.SelectMany(segment => segment.Arguments).SelectMany(argument => argument.Names()).Append(this);

    private static string Arguments(NameSegment segment, GenericScope scope) =>
        segment.Arguments.Count == 0 ? "" : $"<{string.Join(", ", segment.Arguments.Select(argument => argument.Source(scope)))}>";
}

/// <summary>An array, of rank 1 or more.</summary>
public sealed record ArrayType(TypeReference Element, int Rank) : TypeReference
{
    private string Brackets => $"[{new string(',', Rank - 1)}]";

    /// <inheritdoc/>
    public override string Canonical(GenericScope scope) => Element.Canonical(scope) + Brackets;

    /// <inheritdoc/>
    public override string Source(GenericScope scope)
    {
        // C# writes the outermost rank first.
        var brackets = Brackets;
        var element = Element;
        for (; element is ArrayType inner; element = inner.Element) brackets += inner.Brackets;
        return element.Source(scope) + brackets;
    }

    /// <inheritdoc/>
    public override IEnumerable<NamedType> Names() => Element.Names();
}

/// <summary>A nullable value type; the list does not say which references may be null.</summary>
public sealed record NullableType(TypeReference Element) : TypeReference
{
    /// <inheritdoc/>
    public override string Canonical(GenericScope scope) => $"System.Nullable`1<{Element.Canonical(scope)}>";

    /// <inheritdoc/>
    public override string Source(GenericScope scope) => $"{Element.Source(scope)}?";

    /// <inheritdoc/>
    public override IEnumerable<NamedType> Names() => Element.Names();
}

/// <summary>A tuple; its names count for source, not for metadata.</summary>
public sealed record TupleType(IReadOnlyList<(TypeReference Type, string? Name)> Elements) : TypeReference
{
    /// <summary>From this many elements on, the last argument is a tuple of the rest.</summary>
    private const int WithRest = 8;

    /// <inheritdoc/>
    public override string Canonical(GenericScope scope) => Canonical([.. Elements.Select(element => element.Type.Canonical(scope))]);

    /// <inheritdoc/>
    public override string Source(GenericScope scope) =>
        $"({string.Join(", ", Elements.Select(element => element.Name is null ? element.Type.Source(scope) : $"{element.Type.Source(scope)} @{element.Name}"))})";

    /// <inheritdoc/>
    public override IEnumerable<NamedType> Names() => Elements.SelectMany(element => element.Type.Names());

    private static string Canonical(string[] elements) => elements.Length < WithRest
        ? $"System.ValueTuple`{elements.Length}<{string.Join(',', elements)}>"
        : $"System.ValueTuple`{WithRest}<{string.Join(',', elements[..(WithRest - 1)])},{Canonical(elements[(WithRest - 1)..])}>";
}

/// <summary>The generic parameters that a signature may name: those of its type, then its own.</summary>
public sealed record GenericScope(IReadOnlyList<string> OfType, IReadOnlyList<string> OfMethod)
{
    /// <summary>A signature without generic parameters.</summary>
    public static GenericScope None { get; } = new([], []);

    /// <summary>The number of a parameter, or null where the name is none.</summary>
    public string? Find(string name) =>
        Index(OfMethod, name) is >= 0 and var own ? $"!!{own}" :
        Index(OfType, name) is >= 0 and var ofType ? $"!{ofType}" : null;

    private static int Index(IReadOnlyList<string> names, string name)
    {
        for (var i = 0; i < names.Count; i++)
            if (names[i] == name) return i;
        return -1;
    }
}
