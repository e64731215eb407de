using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Metadata;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>The shapes of one type's own public and protected members.</summary>
internal sealed class DeclaredMembers(MetadataReader reader, CanonicalTypes types)
{
    public IReadOnlyList<MemberShape> Of(TypeDefinitionHandle handle)
    {
        var type = reader.GetTypeDefinition(handle);
        if (IsDelegate(type)) return [];
        var accessors = type.GetProperties().Select(reader.GetPropertyDefinition).Select(property => property.GetAccessors()).SelectMany(pair => new[] { pair.Getter, pair.Setter })
            .Concat(type.GetEvents().Select(reader.GetEventDefinition).Select(@event => @event.GetAccessors()).SelectMany(pair => new[] { pair.Adder, pair.Remover }))
            .ToHashSet();
        var inInterface = type.Attributes.HasFlag(TypeAttributes.Interface);
        return
        [
            .. type.GetMethods().Where(method => !accessors.Contains(method)).Select(reader.GetMethodDefinition).Where(IsVisible).Select(method => Method(method, inInterface)).OfType<MemberShape>(),
            .. type.GetProperties().Select(reader.GetPropertyDefinition).Select(property => Property(property, inInterface)).OfType<MemberShape>(),
            .. type.GetFields().Select(reader.GetFieldDefinition).Where(IsVisible).Select(Field).OfType<MemberShape>(),
            .. type.GetEvents().Select(reader.GetEventDefinition).Select(@event => Event(@event, inInterface)).OfType<MemberShape>(),
        ];
    }

    /// <summary>Whether an attribute of this name is among them.</summary>
    public bool Has(CustomAttributeHandleCollection attributes, string name) => attributes.Select(reader.GetCustomAttribute).Any(attribute => AttributeName(attribute) == name);

    private bool IsDelegate(TypeDefinition type) =>
        !type.BaseType.IsNil && type.BaseType.Kind != HandleKind.TypeSpecification && CanonicalTypes.FullName(reader, type.BaseType) == "System.MulticastDelegate";

    private MemberShape? Method(MethodDefinition method, bool inInterface)
    {
        var name = reader.GetString(method.Name);
        if (name == ".cctor") return null;
        var signature = method.DecodeSignature(types, genericContext: null);
        var kind = name == ".ctor" ? "constructor" : "method";
        return MemberShape.Of(kind, name, signature.GenericParameterCount, signature.ReturnType, Parameters(method, signature.ParameterTypes), Modifiers(method.Attributes, inInterface));
    }

    private MemberShape? Property(PropertyDefinition property, bool inInterface)
    {
        var pair = property.GetAccessors();
        var accessors = new[] { (Word: "get", Handle: pair.Getter), (Word: "set", Handle: pair.Setter) }
            .Where(accessor => !accessor.Handle.IsNil)
            .Select(accessor => (accessor.Word, Method: reader.GetMethodDefinition(accessor.Handle)))
            .Where(accessor => IsVisible(accessor.Method)).ToList();
        if (accessors.Count == 0) return null;

        // The property is as visible as its most visible accessor; the other one says so where it is less.
        var widest = accessors.MinBy(accessor => AccessRank(accessor.Method.Attributes)).Method;
        var access = Access(widest.Attributes);
        var words = accessors.Select(accessor => Access(accessor.Method.Attributes) == access ? Word(accessor) : $"{Access(accessor.Method.Attributes)} {Word(accessor)}");
        var (getter, parameters) = (accessors[0].Method, property.DecodeSignature(types, genericContext: null).ParameterTypes);
        return MemberShape.Of("property", reader.GetString(property.Name), 0, property.DecodeSignature(types, genericContext: null).ReturnType,
            Parameters(getter, parameters), Modifiers(widest.Attributes, inInterface), string.Join("; ", words));
    }

    private string Word((string Word, MethodDefinition Method) accessor) =>
        accessor.Word == "set" && accessor.Method.DecodeSignature(types, genericContext: null).ReturnType == CanonicalTypes.InitOnly ? "init" : accessor.Word;

    private MemberShape? Field(FieldDefinition field)
    {
        if (field.Attributes.HasFlag(FieldAttributes.SpecialName)) return null;
        var constant = field.GetDefaultValue();
        List<string> modifiers = [Access((MethodAttributes)(int)(field.Attributes & FieldAttributes.FieldAccessMask))];
        if (field.Attributes.HasFlag(FieldAttributes.Literal)) modifiers.Add("const");
        else
        {
            if (field.Attributes.HasFlag(FieldAttributes.Static)) modifiers.Add("static");
            if (field.Attributes.HasFlag(FieldAttributes.InitOnly)) modifiers.Add("readonly");
        }
        return MemberShape.Of("field", reader.GetString(field.Name), 0, field.DecodeSignature(types, genericContext: null), [], string.Join(' ', modifiers),
            value: constant.IsNil ? "" : Constants.Of(Value(constant)));
    }

    private MemberShape? Event(EventDefinition @event, bool inInterface)
    {
        var adder = reader.GetMethodDefinition(@event.GetAccessors().Adder);
        return IsVisible(adder)
            ? MemberShape.Of("event", reader.GetString(@event.Name), 0, adder.DecodeSignature(types, genericContext: null).ParameterTypes[0], [], Modifiers(adder.Attributes, inInterface))
            : null;
    }

    private List<ParameterShape> Parameters(MethodDefinition method, ImmutableArray<string> parameterTypes)
    {
        var named = method.GetParameters().Select(reader.GetParameter).Where(parameter => parameter.SequenceNumber > 0).ToDictionary(parameter => parameter.SequenceNumber - 1);
        var isExtension = Has(method.GetCustomAttributes(), "ExtensionAttribute");
        return [.. parameterTypes.Select((type, index) => Parameter(type, named.GetValueOrDefault(index), isExtension && index == 0))];
    }

    private ParameterShape Parameter(string type, Parameter parameter, bool isThis)
    {
        var attributes = parameter.GetCustomAttributes();
        var modifier =
            isThis ? "this" :
            Has(attributes, "ParamArrayAttribute") ? "params" :
            !type.EndsWith('&') ? "" :
            parameter.Attributes.HasFlag(ParameterAttributes.Out) ? "out" :
            Has(attributes, "IsReadOnlyAttribute") ? "in" : "ref";
        var constant = parameter.GetDefaultValue();
        var optional = parameter.Attributes.HasFlag(ParameterAttributes.Optional);
        return new ParameterShape(type, modifier, reader.GetString(parameter.Name), !constant.IsNil ? Constants.Of(Value(constant)) : optional ? "null" : null);
    }

    private object? Value(ConstantHandle handle)
    {
        var constant = reader.GetConstant(handle);
        return reader.GetBlobReader(constant.Value).ReadConstant(constant.TypeCode);
    }

    private static string Modifiers(MethodAttributes attributes, bool inInterface)
    {
        var isNew = attributes.HasFlag(MethodAttributes.NewSlot);
        var inheritance =
            inInterface || !attributes.HasFlag(MethodAttributes.Virtual) ? "" :
            attributes.HasFlag(MethodAttributes.Abstract) ? isNew ? "abstract" : "abstract override" :
            attributes.HasFlag(MethodAttributes.Final) ? isNew ? "" : "sealed override" :
            isNew ? "virtual" : "override";
        return string.Join(' ', new[] { Access(attributes), attributes.HasFlag(MethodAttributes.Static) ? "static" : "", inheritance }.Where(word => word != ""));
    }

    private static string Access(MethodAttributes attributes) => (attributes & MethodAttributes.MemberAccessMask) switch
    {
        MethodAttributes.Public => "public",
        MethodAttributes.FamORAssem => "protected internal",
        _ => "protected",
    };

    private static int AccessRank(MethodAttributes attributes) => (attributes & MethodAttributes.MemberAccessMask) switch
    {
        MethodAttributes.Public => 0,
        MethodAttributes.FamORAssem => 1,
        _ => 2,
    };

    private static bool IsVisible(MethodDefinition method) =>
        (method.Attributes & MethodAttributes.MemberAccessMask) is MethodAttributes.Public or MethodAttributes.Family or MethodAttributes.FamORAssem;

    private static bool IsVisible(FieldDefinition field) =>
        (field.Attributes & FieldAttributes.FieldAccessMask) is FieldAttributes.Public or FieldAttributes.Family or FieldAttributes.FamORAssem;

    private string AttributeName(CustomAttribute attribute)
    {
        var type = attribute.Constructor.Kind == HandleKind.MemberReference
            ? reader.GetMemberReference((MemberReferenceHandle)attribute.Constructor).Parent
            : reader.GetMethodDefinition((MethodDefinitionHandle)attribute.Constructor).GetDeclaringType();
        return type.Kind == HandleKind.TypeSpecification ? "" : CanonicalTypes.FullName(reader, type).Split('.')[^1];
    }
}
