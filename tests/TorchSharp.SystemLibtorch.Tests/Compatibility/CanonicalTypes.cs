using System.Collections.Immutable;
using System.Reflection.Metadata;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>Spells the types of metadata the way <see cref="ApiStubs.Api.TypeReference.Canonical"/> spells those of the list.</summary>
internal sealed class CanonicalTypes : ISignatureTypeProvider<string, object?>
{
    /// <summary>What a setter that only an initializer may call returns.</summary>
    public const string InitOnly = "init";

    public string GetPrimitiveType(PrimitiveTypeCode typeCode) => $"System.{typeCode}";

    public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) => FullName(reader, handle);

    public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => FullName(reader, handle);

    public string GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
        reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

    public string GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) => $"{genericType}<{string.Join(',', typeArguments)}>";

    public string GetGenericTypeParameter(object? genericContext, int index) => $"!{index}";

    public string GetGenericMethodParameter(object? genericContext, int index) => $"!!{index}";

    public string GetSZArrayType(string elementType) => $"{elementType}[]";

    public string GetArrayType(string elementType, ArrayShape shape) => $"{elementType}[{new string(',', shape.Rank - 1)}]";

    public string GetByReferenceType(string elementType) => $"{elementType}&";

    public string GetPointerType(string elementType) => $"{elementType}*";

    public string GetPinnedType(string elementType) => elementType;

    public string GetFunctionPointerType(MethodSignature<string> signature) => "delegate*";

    public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) =>
        modifier.EndsWith(".IsExternalInit", StringComparison.Ordinal) ? InitOnly : unmodifiedType;

    /// <summary>The full name of a type, nested types joined by dots.</summary>
    public static string FullName(MetadataReader reader, EntityHandle handle)
    {
        if (handle.Kind == HandleKind.TypeDefinition)
        {
            var definition = reader.GetTypeDefinition((TypeDefinitionHandle)handle);
            var name = reader.GetString(definition.Name);
            return definition.IsNested ? $"{FullName(reader, definition.GetDeclaringType())}.{name}" : Qualified(reader, definition.Namespace, name);
        }
        var reference = reader.GetTypeReference((TypeReferenceHandle)handle);
        var referenced = reader.GetString(reference.Name);
        return reference.ResolutionScope.Kind == HandleKind.TypeReference
            ? $"{FullName(reader, reference.ResolutionScope)}.{referenced}"
            : Qualified(reader, reference.Namespace, referenced);
    }

    private static string Qualified(MetadataReader reader, StringHandle space, string name) =>
        space.IsNil ? name : $"{reader.GetString(space)}.{name}";
}
