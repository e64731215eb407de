using System.Collections.Concurrent;
using System.Reflection;

namespace LowRankTraining.Text;

/// <summary>All kinds of parts and methods by their words: those of this library, and those of every loaded assembly that uses it.</summary>
internal static class Kinds
{
    private static readonly Assembly Own = typeof(Kinds).Assembly;
    private static readonly ConcurrentDictionary<(Assembly, Type), IReadOnlyList<Kind>> Known = new();
    private static readonly ConcurrentDictionary<Type, IReadOnlyList<Kind>> ByType = new();

    /// <summary>The kinds that an option of some type can have, those of the library first.</summary>
    public static IEnumerable<Kind> For(Type family) => new[] { Own }.Concat(Others()).SelectMany(assembly => In(assembly, family));

    /// <summary>The kind of that name, or null.</summary>
    public static Kind? Find(Type family, string name) => For(family).FirstOrDefault(kind => KindName.AreSame(kind.Name, name));

    /// <summary>The kinds that a part may be of, with their options apart.</summary>
    public static IReadOnlyList<Kind> Of(object part) => ByType.GetOrAdd(part.GetType(), static type =>
    [
        .. BasesOf(type).SelectMany(family => In(type.Assembly, family)).Where(kind => kind.Type == type).DistinctBy(kind => kind.Name),
    ]);

    private static IEnumerable<Type> BasesOf(Type type)
    {
        for (Type? above = type; above is not null && above != typeof(object); above = above.BaseType)
            yield return above;
    }

    private static IReadOnlyList<Kind> In(Assembly assembly, Type family) => Known.GetOrAdd((assembly, family), static key =>
    [
        .. TypesOf(key.Item1).Where(type => key.Item2.IsAssignableFrom(type) && IsPart(type)).SelectMany(Kind.Of)
            .Where(kind => kind.Type.IsAssignableTo(key.Item2)).DistinctBy(kind => kind.Name),
    ]);

    private static bool IsPart(Type type) =>
        type is { IsClass: true, IsGenericTypeDefinition: false } && (type.IsVisible || type.Assembly != Own) && PartOption.IsPart(type);

    private static IEnumerable<Type> TypesOf(Assembly assembly)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException partly)
        {
            return partly.Types.OfType<Type>();
        }
    }

    private static IEnumerable<Assembly> Others() => AppDomain.CurrentDomain.GetAssemblies().Where(assembly =>
        assembly is { IsDynamic: false } && assembly.GetReferencedAssemblies().Any(reference => reference.Name == Own.GetName().Name));
}
