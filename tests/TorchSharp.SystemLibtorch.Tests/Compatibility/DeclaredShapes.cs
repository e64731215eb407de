using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>The shapes of an assembly's own public and protected types and members, read from its metadata.</summary>
internal sealed class DeclaredShapes : IDisposable
{
    private readonly PEReader _file;
    private readonly MetadataReader _reader;
    private readonly CanonicalTypes _types = new();
    private readonly DeclaredMembers _members;

    public DeclaredShapes(string path)
    {
        _file = new PEReader(File.OpenRead(path));
        _reader = _file.GetMetadataReader();
        _members = new DeclaredMembers(_reader, _types);
    }

    /// <summary>Every type that another assembly can see, with its members.</summary>
    public IEnumerable<(TypeShape Type, IReadOnlyList<MemberShape> Members)> Types() =>
        _reader.TypeDefinitions.Where(IsVisible).Select(handle => (Of(handle), _members.Of(handle)));

    public void Dispose() => _file.Dispose();

    private bool IsVisible(TypeDefinitionHandle handle)
    {
        var type = _reader.GetTypeDefinition(handle);
        return (type.Attributes & TypeAttributes.VisibilityMask) switch
        {
            TypeAttributes.Public => true,
            TypeAttributes.NestedPublic or TypeAttributes.NestedFamily or TypeAttributes.NestedFamORAssem => IsVisible(type.GetDeclaringType()),
            _ => false,
        };
    }

    private TypeShape Of(TypeDefinitionHandle handle)
    {
        var type = _reader.GetTypeDefinition(handle);
        var @base = type.BaseType.IsNil ? "" : Name(type.BaseType);
        var kind = KindOf(type, @base);
        var interfaces = type.GetInterfaceImplementations().Select(implementation => Name(_reader.GetInterfaceImplementation(implementation).Interface)).ToHashSet();
        return new TypeShape(
            CanonicalTypes.FullName(_reader, handle),
            string.Join(' ', [.. Modifiers(type, kind), kind]),
            kind == "enum" ? Underlying(type) : kind == "class" && @base != "System.Object" ? @base : "",
            interfaces,
            kind == "delegate" ? Invoke(type) : "");
    }

    private static string KindOf(TypeDefinition type, string @base) =>
        type.Attributes.HasFlag(TypeAttributes.Interface) ? "interface" :
        @base switch
        {
            "System.Enum" => "enum",
            "System.ValueType" => "struct",
            "System.MulticastDelegate" => "delegate",
            _ => "class",
        };

    private IEnumerable<string> Modifiers(TypeDefinition type, string kind)
    {
        yield return (type.Attributes & TypeAttributes.VisibilityMask) switch
        {
            TypeAttributes.NestedFamily => "protected",
            TypeAttributes.NestedFamORAssem => "protected internal",
            _ => "public",
        };
        var isAbstract = type.Attributes.HasFlag(TypeAttributes.Abstract);
        var isSealed = type.Attributes.HasFlag(TypeAttributes.Sealed);
        if (kind == "class" && isAbstract) yield return isSealed ? "static" : "abstract";
        else if (kind == "class" && isSealed) yield return "sealed";
        else if (kind == "struct" && _members.Has(type.GetCustomAttributes(), "IsReadOnlyAttribute")) yield return "readonly";
    }

    private string Invoke(TypeDefinition type)
    {
        var signature = type.GetMethods().Select(_reader.GetMethodDefinition).Single(method => _reader.GetString(method.Name) == "Invoke").DecodeSignature(_types, genericContext: null);
        return CallTargets.Method(false, signature.ReturnType, "Invoke", 0, signature.ParameterTypes);
    }

    private string Underlying(TypeDefinition type) =>
        type.GetFields().Select(_reader.GetFieldDefinition).Single(field => !field.Attributes.HasFlag(FieldAttributes.Static)).DecodeSignature(_types, genericContext: null);

    private string Name(EntityHandle handle) => handle.Kind == HandleKind.TypeSpecification
        ? _reader.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(_types, genericContext: null)
        : CanonicalTypes.FullName(_reader, handle);
}
