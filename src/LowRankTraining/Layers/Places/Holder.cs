using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace LowRankTraining.Layers;

/// <summary>What refers to a child module in a field: the field itself, or a place in its collection.</summary>
/// <param name="Kind">What the field is: "list".</param>
/// <param name="Field">The field.</param>
/// <param name="Accepts">Modules of which type fit there; null where nothing can be put into the place of something else.</param>
/// <param name="Put">Puts another module there.</param>
internal sealed record Holder(string Kind, FieldInfo Field, Type? Accepts, Action<nn.Module> Put)
{
    /// <value>Whether a module of another type fits.</value>
    public bool TakesAnyModule => Accepts?.IsAssignableFrom(typeof(nn.Module<Tensor, Tensor>)) == true;

    /// <summary>Everything in a field that refers to a child: one holder for each time that it does.</summary>
    public static IEnumerable<Holder> Of(nn.Module parent, FieldInfo field, nn.Module child) => field.GetValue(parent) switch
    {
        // TorchSharp's own modules keep children in lists; a field of theirs that is a module is something else.
        nn.Module module => ReferenceEquals(module, child) && !IsOfTorchSharp(field)
            ? [new("field", field, field.FieldType, other => field.SetValue(parent, other))] : [],
        IDictionary dictionary => OrOther(field, dictionary.IsReadOnly, InDictionary(field, dictionary, child)),
        IList list => OrOther(field, list.IsReadOnly, InList(field, list, child).Concat(InTuples(field, list, child))),
        ICollection collection => Contains(collection, child) && !IsOfTorchSharp(field) ? [Other(field)] : [],
        _ => [],
    };

    /// <summary>Why no other module can be put there.</summary>
    public string Obstacle(string parent) => Accepts is null
        ? $"{Kind} '{Field.Name}' of {parent} holds it too"
        : $"{Kind} '{Field.Name}' of {parent} is of {(Kind == "field" ? "type " : "")}{Accepts.Name}";

    private static bool IsOfTorchSharp(FieldInfo field) => field.DeclaringType!.Assembly == typeof(nn.Module).Assembly;

    private static IEnumerable<Holder> OrOther(FieldInfo field, bool isReadOnly, IEnumerable<Holder> holders) =>
        isReadOnly ? holders.Take(1).Select(_ => Other(field)) : holders;

    private static Holder Other(FieldInfo field) => new("collection", field, null, _ => { });

    private static bool Contains(ICollection items, nn.Module child) => items.Cast<object?>().Any(item => ReferenceEquals(item, child));

    private static IEnumerable<Holder> InDictionary(FieldInfo field, IDictionary dictionary, nn.Module child)
    {
        var accepts = dictionary.GetType().GetGenericArguments().ElementAtOrDefault(1) ?? typeof(object);
        return [.. dictionary.Keys.Cast<object>().Where(key => ReferenceEquals(dictionary[key], child))
            .Select(key => new Holder("dictionary", field, accepts, other => dictionary[key] = other))];
    }

    private static IEnumerable<Holder> InList(FieldInfo field, IList list, nn.Module child)
    {
        var accepts = list.GetType().GetElementType() ?? list.GetType().GetGenericArguments().FirstOrDefault() ?? typeof(object);
        return Enumerable.Range(0, list.Count).Where(index => ReferenceEquals(list[index], child))
            .Select(index => new Holder("list", field, accepts, other => list[index] = other));
    }

    /// <summary>In a list of names with their modules, as a <c>ModuleDict</c> keeps beside its dictionary.</summary>
    private static IEnumerable<Holder> InTuples(FieldInfo field, IList list, nn.Module child) =>
        from index in Enumerable.Range(0, list.Count)
        let tuple = list[index] as ITuple
        where tuple is not null
        from place in Enumerable.Range(0, tuple.Length)
        where ReferenceEquals(tuple[place], child)
        select new Holder("list", field, tuple.GetType().GetGenericArguments()[place], other =>
        {
            var now = (ITuple)list[index]!;
            list[index] = Activator.CreateInstance(now.GetType(), [.. Enumerable.Range(0, now.Length).Select(item => item == place ? other : now[item])]);
        });
}
