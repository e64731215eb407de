using System.Reflection;

namespace LowRankTraining.Text;

/// <summary>A kind of part, or a method: what a word of the text form stands for.</summary>
/// <param name="Name">The word: "dct", "8bit", "fira".</param>
/// <param name="Type">The type of the part.</param>
/// <param name="Prototype">The part as it is by default; null where it cannot be without options.</param>
/// <param name="Maker">What makes it from its options then.</param>
internal sealed record Kind(string Name, Type Type, object? Prototype, Maker? Maker)
{
    /// <summary>A new part with the default options, free to be changed.</summary>
    public object Default() => Copy(Prototype ?? throw new InvalidOperationException($"A {Name} needs options."));

    /// <summary>The same part once more; of what is not a record a new one.</summary>
    public static object Copy(object part) =>
        part.GetType().GetMethod("<Clone>$", BindingFlags.Instance | BindingFlags.Public)?.Invoke(part, null) ?? Activator.CreateInstance(part.GetType())!;

    /// <summary>The kinds of a type: itself, and what its static properties hold ready of it. None where text cannot make it.</summary>
    public static IEnumerable<Kind> Of(Type type)
    {
        object? prototype;
        try
        {
            prototype = type.IsAbstract || type.GetConstructor(Type.EmptyTypes) is null ? null : Activator.CreateInstance(type);
        }
        catch (TargetInvocationException)
        {
            yield break;
        }

        var maker = type.IsAbstract || prototype is not null ? null : Maker.For(type);
        var name = (prototype as ILowRankStrategy)?.Name ?? KindName.Of(type);
        if (prototype is not null || maker is not null)
            yield return new Kind(name, type, prototype, maker);

        foreach (var property in type.GetProperties(BindingFlags.Static | BindingFlags.Public).Where(property => property.PropertyType.IsAssignableTo(type)
            || type.IsAssignableTo(property.PropertyType)))
            if (property.GetValue(null) is { } value && value.GetType().IsAssignableTo(type))
                yield return new Kind(NameOf(property, prototype is null ? null : name), value.GetType(), value, null);
    }

    private static string NameOf(PropertyInfo property, string? prefix)
    {
        var own = property.GetCustomAttribute<KindAttribute>()?.Name ?? KindName.Of(property.Name);
        return prefix is null ? own : $"{prefix}-{own}";
    }
}
