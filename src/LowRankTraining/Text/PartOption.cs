using System.Collections;
using System.ComponentModel;
using System.Reflection;

namespace LowRankTraining.Text;

/// <summary>An option of a method or a part: a public property that holds something of its own.</summary>
internal sealed record PartOption(PropertyInfo Property)
{
    private static readonly Type[] Unsayable = [typeof(ILogger), typeof(Delegate), typeof(nn.Module), typeof(Tensor)];

    public string Name => Property.Name;

    /// <value>Its type; of a number that may be missing that of the number.</value>
    public Type Type => Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType;

    /// <value>Whether null is among its values.</value>
    public bool MayBeNull => !Property.PropertyType.IsValueType || Type != Property.PropertyType;

    /// <value>Whether null stands for the method's own part.</value>
    public bool IsOwnByDefault => Property.IsDefined(typeof(OwnByDefaultAttribute));

    public bool IsSettable => Property.SetMethod is { IsPublic: true };

    /// <summary>All options of a type in the order of their names: what can be set, and what the constructor has filled. Loggers, delegates, modules and
    /// tensors are left out.</summary>
    public static IReadOnlyList<PartOption> Of(Type type) =>
    [
        .. type.GetProperties(BindingFlags.Instance | BindingFlags.Public).DistinctBy(property => property.Name)
            .Where(property => property.CanRead && property.GetIndexParameters().Length == 0).Select(property => new PartOption(property))
            .Where(option => (option.IsSettable || HasField(option.Property)) && !Unsayable.Any(option.Type.IsAssignableTo))
            .OrderBy(option => option.Name, StringComparer.Ordinal),
    ];

    public object? Get(object part) => Property.GetValue(part);

    public void Set(object part, object? value) => Property.SetValue(part, value);

    /// <summary>Whether values of a type are parts with options of their own, and not single values or lists of them.</summary>
    public static bool IsPart(Type type) =>
        !type.IsValueType && type != typeof(string) && !type.IsAssignableTo(typeof(IEnumerable)) && !HasConverter(type);

    /// <summary>Whether values of a type are made from text by a converter of their own.</summary>
    public static bool HasConverter(Type type) => type.IsDefined(typeof(TypeConverterAttribute), false);

    private static bool HasField(PropertyInfo property) =>
        property.DeclaringType!.GetField($"<{property.Name}>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic) is not null;
}
