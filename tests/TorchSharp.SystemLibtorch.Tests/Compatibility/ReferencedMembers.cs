using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>What an assembly names in the assembly <c>TorchSharp</c>.</summary>
internal sealed class ReferencedMembers : IDisposable
{
    private const string TorchSharp = "TorchSharp";

    private readonly PEReader _file;
    private readonly MetadataReader _reader;
    private readonly CanonicalTypes _types = new();

    public ReferencedMembers(string path)
    {
        _file = new PEReader(File.OpenRead(path));
        _reader = _file.GetMetadataReader();
    }

    /// <summary>Whether the file is a managed assembly that references TorchSharp.</summary>
    public static bool Uses(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        if (!file.HasMetadata) return false;
        var reader = file.GetMetadataReader();
        return reader.AssemblyReferences.Any(handle => reader.GetString(reader.GetAssemblyReference(handle).Name) == TorchSharp);
    }

    /// <summary>Full names of the types.</summary>
    public IEnumerable<string> Types() =>
        _reader.TypeReferences.Where(IsTorchSharp).Select(handle => CanonicalTypes.FullName(_reader, handle)).Distinct();

    /// <summary>The members, each with the type it is looked up in.</summary>
    public IEnumerable<(string Type, string Target)> Members()
    {
        var types = Types().ToHashSet();
        return _reader.MemberReferences.Select(_reader.GetMemberReference)
            .Select(member => (Type: Definition(member.Parent), member))
            .Where(pair => pair.Type is not null && types.Contains(pair.Type))
            .Select(pair => (pair.Type!, Target(pair.member)));
    }

    public void Dispose() => _file.Dispose();

    private bool IsTorchSharp(TypeReferenceHandle handle)
    {
        var scope = _reader.GetTypeReference(handle).ResolutionScope;
        return scope.Kind switch
        {
            HandleKind.TypeReference => IsTorchSharp((TypeReferenceHandle)scope),
            HandleKind.AssemblyReference => _reader.GetString(_reader.GetAssemblyReference((AssemblyReferenceHandle)scope).Name) == TorchSharp,
            _ => false,
        };
    }

    /// <summary>The type that a member is looked up in; for a generic one its definition. The runtime itself makes the methods of arrays.</summary>
    private string? Definition(EntityHandle parent)
    {
        if (parent.Kind == HandleKind.TypeReference) return CanonicalTypes.FullName(_reader, parent);
        if (parent.Kind != HandleKind.TypeSpecification) return null;
        var type = _reader.GetTypeSpecification((TypeSpecificationHandle)parent).DecodeSignature(_types, genericContext: null);
        return type.EndsWith(']') ? null : type.Split('<')[0];
    }

    private string Target(MemberReference member)
    {
        var name = _reader.GetString(member.Name);
        if (member.GetKind() == MemberReferenceKind.Field) return CallTargets.Field(member.DecodeFieldSignature(_types, genericContext: null), name);
        var signature = member.DecodeMethodSignature(_types, genericContext: null);
        return CallTargets.Method(!signature.Header.IsInstance, signature.ReturnType, name, signature.GenericParameterCount, signature.ParameterTypes);
    }
}
