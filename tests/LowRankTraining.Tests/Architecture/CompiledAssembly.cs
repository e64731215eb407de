using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace LowRankTraining.Tests.Architecture;

/// <summary>
/// Which type of an assembly uses which other, read from declarations, signatures and code; the files come from the symbols beside the assembly.
/// Constants and attributes leave no trace.
/// </summary>
internal sealed class CompiledAssembly : IDisposable
{
    private static readonly Guid TypeDefinitionDocuments = new("932E74BC-DBA9-4478-8D46-0F32A7BAB3D3");

    private const string Declaration = "declaration";

    private readonly string _folder;
    private readonly PEReader _image;
    private readonly MetadataReaderProvider _symbolFile;
    private readonly MetadataReader _metadata, _symbols;
    private readonly Dictionary<TypeDefinitionHandle, SourceType> _types = [];
    private readonly HashSet<Reference> _references = [], _typeTests = [];

    private CompiledAssembly(string path, string folder)
    {
        _folder = folder;
        _image = new(File.OpenRead(path));
        _metadata = _image.GetMetadataReader();
        _symbolFile = MetadataReaderProvider.FromPortablePdbStream(File.OpenRead(Path.ChangeExtension(path, ".pdb")));
        _symbols = _symbolFile.GetMetadataReader();

        foreach (var handle in _metadata.TypeDefinitions)
            if (FileOf(handle) is { } file)
                _types[handle] = new(_metadata.GetString(_metadata.GetTypeDefinition(handle).Name).Split('`')[0], file);
        foreach (var handle in _metadata.TypeDefinitions)
            Read(handle);
    }

    /// <param name="assembly">One whose portable symbols lie beside it.</param>
    /// <param name="folder">The part of the paths of its source files that ends with the project's folder, such as "/src/LowRankTraining/".</param>
    public static IReadOnlyCollection<Reference> ReferencesOf(Assembly assembly, string folder)
    {
        using var compiled = new CompiledAssembly(assembly.Location, folder);
        return compiled._references;
    }

    /// <summary>Where code asks whether something is of a type: <c>is</c>, <c>as</c>, patterns.</summary>
    /// <inheritdoc cref="ReferencesOf"/>
    public static IReadOnlyCollection<Reference> TypeTestsIn(Assembly assembly, string folder)
    {
        using var compiled = new CompiledAssembly(assembly.Location, folder);
        return compiled._typeTests;
    }

    public void Dispose()
    {
        _image.Dispose();
        _symbolFile.Dispose();
    }

    /// <summary>The written file of a type that is in no other; generated types have none.</summary>
    private string? FileOf(TypeDefinitionHandle handle)
    {
        var type = _metadata.GetTypeDefinition(handle);
        if (type.IsNested)
            return null;
        var documents = _symbols.GetCustomDebugInformation(handle).Select(_symbols.GetCustomDebugInformation)
            .Where(information => _symbols.GetGuid(information.Kind) == TypeDefinitionDocuments)
            .SelectMany(information => Documents(_symbols.GetBlobReader(information.Value)))
            .Concat(type.GetMethods().Select(method => _symbols.GetMethodDebugInformation(method.ToDebugInformationHandle()).Document));
        return documents.Where(document => !document.IsNil)
            .Select(document => _symbols.GetString(_symbols.GetDocument(document).Name).Replace('\\', '/'))
            .Where(path => path.Contains(_folder, StringComparison.Ordinal) && !path.EndsWith(".g.cs", StringComparison.Ordinal))
            .Select(path => path[(path.LastIndexOf(_folder, StringComparison.Ordinal) + _folder.Length)..])
            .OrderBy(path => path.Length).ThenBy(path => path, StringComparer.Ordinal).FirstOrDefault();
    }

    private static IEnumerable<DocumentHandle> Documents(BlobReader blob)
    {
        while (blob.RemainingBytes > 0)
            yield return MetadataTokens.DocumentHandle(blob.ReadCompressedInteger());
    }

    /// <summary>The outermost type and the member of it that generated code belongs to.</summary>
    private (TypeDefinitionHandle Type, string? Member) Outermost(TypeDefinitionHandle handle)
    {
        string? member = null;
        for (var type = _metadata.GetTypeDefinition(handle); type.IsNested; type = _metadata.GetTypeDefinition(handle))
        {
            member = Written(_metadata.GetString(type.Name)) ?? member;
            handle = type.GetDeclaringType();
        }
        return (handle, member);
    }

    /// <summary>Of "&lt;Attach&gt;b__0" Attach; null where a name tells nothing.</summary>
    private static string? Written(string name) => name.StartsWith('<') ? name[1..name.IndexOf('>')] is { Length: > 0 } inner ? inner : null : name;

    private void Read(TypeDefinitionHandle handle)
    {
        var (outer, nested) = Outermost(handle);
        if (!_types.TryGetValue(outer, out var from))
            return;
        var type = _metadata.GetTypeDefinition(handle);

        Use(type.BaseType, Declaration);
        foreach (var implemented in type.GetInterfaceImplementations())
            Use(_metadata.GetInterfaceImplementation(implemented).Interface, Declaration);
        UseConstraints(type.GetGenericParameters(), Declaration);
        foreach (var field in type.GetFields().Select(_metadata.GetFieldDefinition))
            field.DecodeSignature(Types(Name(field.Name)), false);
        foreach (var method in type.GetMethods().Select(_metadata.GetMethodDefinition))
        {
            var name = Name(method.Name);
            method.DecodeSignature(Types(name), false);
            UseConstraints(method.GetGenericParameters(), name);
            if (method.RelativeVirtualAddress != 0)
                ReadBody(_image.GetMethodBody(method.RelativeVirtualAddress), name);
        }

        string Name(StringHandle name)
        {
            var written = Written(_metadata.GetString(name));
            return nested is null ? written ?? Declaration : $"{nested}.{written}".TrimEnd('.');
        }

        SignatureTypes Types(string member) => new(to =>
        {
            if (_types.TryGetValue(Outermost(to).Type, out var used) && used != from)
                _references.Add(new(from, member, used));
        });

        void UseConstraints(GenericParameterHandleCollection parameters, string member)
        {
            foreach (var constraint in parameters.SelectMany(parameter => _metadata.GetGenericParameter(parameter).GetConstraints()))
                Use(_metadata.GetGenericParameterConstraint(constraint).Type, member);
        }

        void ReadBody(MethodBodyBlock body, string member)
        {
            Use(body.LocalSignature, member);
            foreach (var region in body.ExceptionRegions)
                Use(region.CatchType, member);
            foreach (var (token, isTypeTest) in Instructions.Tokens(body.GetILBytes()!))
            {
                Use(token, member);
                if (isTypeTest && token.Kind == HandleKind.TypeDefinition && _types.TryGetValue(Outermost((TypeDefinitionHandle)token).Type, out var asked)
                    && asked != from)
                    _typeTests.Add(new(from, member, asked));
            }
        }

        void Use(EntityHandle used, string member)
        {
            if (used.IsNil)
                return;
            var types = Types(member);
            switch (used.Kind)
            {
                case HandleKind.TypeDefinition:
                    types.GetTypeFromDefinition(_metadata, (TypeDefinitionHandle)used, 0);
                    break;
                case HandleKind.TypeSpecification:
                    types.GetTypeFromSpecification(_metadata, false, (TypeSpecificationHandle)used, 0);
                    break;
                case HandleKind.FieldDefinition:
                    Use(_metadata.GetFieldDefinition((FieldDefinitionHandle)used).GetDeclaringType(), member);
                    break;
                case HandleKind.MethodDefinition:
                    Use(_metadata.GetMethodDefinition((MethodDefinitionHandle)used).GetDeclaringType(), member);
                    break;
                case HandleKind.MemberReference:
                    Use(_metadata.GetMemberReference((MemberReferenceHandle)used).Parent, member);
                    break;
                case HandleKind.MethodSpecification:
                    var specification = _metadata.GetMethodSpecification((MethodSpecificationHandle)used);
                    Use(specification.Method, member);
                    specification.DecodeSignature(types, false);
                    break;
                case HandleKind.StandaloneSignature when _metadata.GetStandaloneSignature((StandaloneSignatureHandle)used) is var signature
                    && signature.GetKind() == StandaloneSignatureKind.LocalVariables:
                    signature.DecodeLocalSignature(types, false);
                    break;
            }
        }
    }
}
