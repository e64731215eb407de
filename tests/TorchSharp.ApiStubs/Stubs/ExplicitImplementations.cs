using System.Reflection;
using TorchSharp.ApiStubs.Api;

namespace TorchSharp.ApiStubs.Stubs;

/// <summary>Explicit implementations of an interface: legal beside public ones, so every member can be written without asking which is missing.</summary>
internal static class ExplicitImplementations
{
    /// <summary>The implementations of one base; none where it is a class.</summary>
    public static IEnumerable<string> Of(NamedType type, GenericScope scope, ApiSurface surface)
    {
        var arguments = type.Segments.SelectMany(segment => segment.Arguments).Select(argument => argument.Source(scope)).ToArray();
        var name = type.Source(scope);
        if (surface.Types.TryGetValue(type.FullName, out var known))
            return known.Kind == TypeKind.Interface ? surface.Members[type.FullName].Select(member => Implementation(member, known, name, arguments)) : [];

        // Interfaces of the framework are asked directly.
        var system = typeof(object).Assembly.GetType(type.FullName) ?? throw new InvalidOperationException($"The framework has no {type.FullName}.");
        return system.IsInterface ? system.GetMembers().Select(member => Implementation(member, name, arguments)).OfType<string>() : [];
    }

    /// <remarks>The list's interfaces have members without generic parameters of their own; arguments take the place of the type's.</remarks>
    private static string Implementation(ApiMember member, ApiType type, string name, string[] arguments)
    {
        var parameters = type.Scope.OfType;
        string Substitute(TypeReference used) =>
            used is NamedType { Segments: [{ Arguments.Count: 0 } only] } && parameters.ToList().IndexOf(only.Name) is >= 0 and var index ? arguments[index] : used.Source(type.Scope);

        return member.Kind == MemberKind.Property
            ? $"{Substitute(member.Type!)} {name}.@{member.Name} {{ {string.Join(' ', member.Accessors.Select(accessor => $"{accessor} => throw null;"))} }}"
            : $"{Substitute(member.Type!)} {name}.@{member.Name}({string.Join(", ", member.Parameters.Select(parameter => $"{Substitute(parameter.Type)} @{parameter.Name}"))}) => throw null;";
    }

    private static string? Implementation(MemberInfo member, string name, string[] arguments) => member switch
    {
        MethodInfo { IsSpecialName: false, IsAbstract: true } method => $"{Source(method.ReturnType, arguments)} {name}.{method.Name}({Parameters(method.GetParameters(), arguments)}) => throw null;",
        PropertyInfo property when property.GetIndexParameters() is { Length: > 0 } index => $"{Source(property.PropertyType, arguments)} {name}.this[{Parameters(index, arguments)}] {{ {Accessors(property)} }}",
        PropertyInfo property => $"{Source(property.PropertyType, arguments)} {name}.{property.Name} {{ {Accessors(property)} }}",
        _ => null,
    };

    private static string Accessors(PropertyInfo property) =>
        (property.CanRead ? "get => throw null; " : "") + (property.CanWrite ? "set => throw null;" : "");

    private static string Parameters(IEnumerable<ParameterInfo> parameters, string[] arguments) =>
        string.Join(", ", parameters.Select(parameter => $"{(parameter.IsOut ? "out " : "")}{Source(parameter.ParameterType, arguments)} @{parameter.Name}"));

    private static string Source(Type type, string[] arguments)
    {
        if (type.IsGenericParameter) return arguments[type.GenericParameterPosition];
        if (type.IsByRef) return Source(type.GetElementType()!, arguments);
        if (type.IsArray) return $"{Source(type.GetElementType()!, arguments)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (type == typeof(void)) return "void";
        if (!type.IsGenericType) return $"global::{type.FullName}";
        var generic = type.GetGenericTypeDefinition().FullName!;
        return $"global::{generic[..generic.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(argument => Source(argument, arguments)))}>";
    }
}
