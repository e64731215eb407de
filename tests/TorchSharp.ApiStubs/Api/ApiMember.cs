namespace TorchSharp.ApiStubs.Api;

/// <summary>What a member is.</summary>
public enum MemberKind { Constructor, Method, Property, Field, Event, EnumMember }

/// <summary>A member of the list.</summary>
public sealed record ApiMember : IApiEntry
{
    /// <summary>The line it was read from.</summary>
    public required string Line { get; init; }

    /// <summary>The type it stands in.</summary>
    public required NamedType Declaring { get; init; }

    /// <summary>What it is.</summary>
    public required MemberKind Kind { get; init; }

    /// <summary>Its name; <c>.ctor</c> for a constructor, <c>this</c> for an indexer.</summary>
    public required string Name { get; init; }

    /// <summary>Its name in metadata. The list writes every indexer as <c>this</c>; of the real ones only those of Sequential have a name of their own there.</summary>
    public string MetadataName => Name != "this" ? Name : Declaring.Segments[^1].Name == "Sequential" ? "SequentialItems" : "Item";

    /// <summary>Its own generic parameters.</summary>
    public IReadOnlyList<string> TypeParameters { get; init; } = [];

    /// <summary>public, static, virtual, const, ...</summary>
    public IReadOnlyList<string> Modifiers { get; init; } = [];

    /// <summary>What it returns or holds; null for a constructor.</summary>
    public TypeReference? Type { get; init; }

    /// <summary>What it takes.</summary>
    public IReadOnlyList<ApiParameter> Parameters { get; init; } = [];

    /// <summary>A property's accessors as written, such as <c>get</c> and <c>protected set</c>.</summary>
    public IReadOnlyList<string> Accessors { get; init; } = [];

    /// <summary>The value of a constant or an enum's member, as written.</summary>
    public string? Value { get; init; }

    /// <summary>What its generic parameters must be.</summary>
    public IReadOnlyList<ApiConstraint> Constraints { get; init; } = [];

    /// <summary>What the compiler says to its use.</summary>
    public Obsolescence Obsolete { get; init; }

    /// <summary>Whether the modifier is there.</summary>
    public bool Is(string modifier) => Modifiers.Contains(modifier);
}
