namespace TorchSharp.ApiStubs.Api;

/// <summary>What a type is.</summary>
public enum TypeKind { Class, Struct, Interface, Enum, Delegate }

/// <summary>What the compiler says to the use of a type or member.</summary>
public enum Obsolescence { None, Warning, Error }

/// <summary>A type of the list.</summary>
public sealed record ApiType : IApiEntry
{
    /// <summary>The line it was read from.</summary>
    public required string Line { get; init; }

    /// <summary>The name, with its generic parameters as arguments.</summary>
    public required NamedType Name { get; init; }

    /// <summary>public, static, abstract, sealed, ...</summary>
    public required IReadOnlyList<string> Modifiers { get; init; }

    /// <summary>What it is.</summary>
    public required TypeKind Kind { get; init; }

    /// <summary>The base class where there is one, and every interface.</summary>
    public IReadOnlyList<TypeReference> Bases { get; init; } = [];

    /// <summary>What its generic parameters must be.</summary>
    public IReadOnlyList<ApiConstraint> Constraints { get; init; } = [];

    /// <summary>What the compiler says to its use.</summary>
    public Obsolescence Obsolete { get; init; }

    /// <summary>What a delegate returns.</summary>
    public TypeReference? Returns { get; init; }

    /// <summary>What a delegate takes.</summary>
    public IReadOnlyList<ApiParameter> Parameters { get; init; } = [];

    /// <summary>The full name in metadata, nested types joined by dots.</summary>
    public string FullName => Name.FullName;

    /// <summary>The names of its generic parameters, those of the types around it first.</summary>
    public GenericScope Scope => new([.. Name.Segments.SelectMany(segment => segment.Arguments).Cast<NamedType>().Select(name => name.Segments[0].Name)], []);
}

/// <summary>What a generic parameter must be: the words and types after its colon.</summary>
public sealed record ApiConstraint(string Parameter, IReadOnlyList<string> Words, IReadOnlyList<TypeReference> Types);

/// <summary>A parameter: <c>ref</c>, <c>out</c>, <c>in</c>, <c>params</c>, <c>this</c> or nothing, then type, name and default.</summary>
public sealed record ApiParameter(string Modifier, TypeReference Type, string Name, string? Default);

/// <summary>A line of the list.</summary>
public interface IApiEntry
{
    /// <summary>The line as it stands in the list.</summary>
    string Line { get; }
}
