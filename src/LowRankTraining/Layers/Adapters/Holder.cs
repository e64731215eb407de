using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace LowRankTraining.Layers;

/// <summary>A field that refers to a child module, by itself or through a collection.</summary>
internal abstract record Holder(FieldInfo Field, Type Accepts)
{
    /// <value>Whether a module of another type fits.</value>
    public bool TakesAnyModule => Accepts.IsAssignableFrom(typeof(nn.Module<Tensor, Tensor>));

    /// <summary>Everything in a field that refers to a child: one holder for each time that it does.</summary>
    public static IEnumerable<Holder> Of(nn.Module parent, FieldInfo field, nn.Module child) => field.GetValue(parent) switch
    {
        // TorchSharp's own modules keep children in lists; a field of theirs that is a module is something else.
        nn.Module module => ReferenceEquals(module, child) && !IsOfTorchSharp(field) ? [new InField(parent, field)] : [],
        IDictionary dictionary => OrOther(field, dictionary.IsReadOnly, InDictionary.Of(field, dictionary, child)),
        IList list => OrOther(field, list.IsReadOnly, InList.Of(field, list, child).Concat(InTuple.Of(field, list, child))),
        ICollection collection => Contains(collection, child) && !IsOfTorchSharp(field) ? [new InOther(field)] : [],
        _ => [],
    };

    public abstract void Put(nn.Module module);

    public virtual string Obstacle(string parent) => $"field '{Field.Name}' of {parent} is of type {Field.FieldType.Name}";

    private static bool IsOfTorchSharp(FieldInfo field) => field.DeclaringType!.Assembly == typeof(nn.Module).Assembly;

    private static IEnumerable<Holder> OrOther(FieldInfo field, bool isReadOnly, IEnumerable<Holder> holders) =>
        isReadOnly ? holders.Take(1).Select(_ => new InOther(field)) : holders;

    private static bool Contains(ICollection items, nn.Module child) => items.Cast<object?>().Any(item => ReferenceEquals(item, child));

    private sealed record InField(nn.Module Parent, FieldInfo Field) : Holder(Field, Field.FieldType)
    {
        public override void Put(nn.Module module) => Field.SetValue(Parent, module);
    }

    private sealed record InList(FieldInfo Field, IList List, int Index) : Holder(Field, ElementOf(List.GetType()))
    {
        public static IEnumerable<Holder> Of(FieldInfo field, IList list, nn.Module child) =>
            Enumerable.Range(0, list.Count).Where(index => ReferenceEquals(list[index], child)).Select(index => new InList(field, list, index));

        public override void Put(nn.Module module) => List[Index] = module;

        public override string Obstacle(string parent) => $"list '{Field.Name}' of {parent} is of {Accepts.Name}";

        private static Type ElementOf(Type list) => list.GetElementType() ?? list.GetGenericArguments().FirstOrDefault() ?? typeof(object);
    }

    private sealed record InDictionary(FieldInfo Field, IDictionary Dictionary, object Key)
        : Holder(Field, Dictionary.GetType().GetGenericArguments().ElementAtOrDefault(1) ?? typeof(object))
    {
        public static IEnumerable<Holder> Of(FieldInfo field, IDictionary dictionary, nn.Module child) =>
            [.. dictionary.Keys.Cast<object>().Where(key => ReferenceEquals(dictionary[key], child)).Select(key => new InDictionary(field, dictionary, key))];

        public override void Put(nn.Module module) => Dictionary[Key] = module;

        public override string Obstacle(string parent) => $"dictionary '{Field.Name}' of {parent} is of {Accepts.Name}";
    }

    /// <summary>A list of names with their modules, as a <c>ModuleDict</c> keeps beside its dictionary.</summary>
    private sealed record InTuple(FieldInfo Field, IList List, int Index, int Item, Type Accepts) : Holder(Field, Accepts)
    {
        public static IEnumerable<Holder> Of(FieldInfo field, IList list, nn.Module child) =>
            from index in Enumerable.Range(0, list.Count)
            let tuple = list[index] as ITuple
            where tuple is not null
            from item in Enumerable.Range(0, tuple.Length)
            where ReferenceEquals(tuple[item], child)
            select new InTuple(field, list, index, item, tuple.GetType().GetGenericArguments()[item]);

        public override void Put(nn.Module module)
        {
            var tuple = (ITuple)List[Index]!;
            List[Index] = Activator.CreateInstance(tuple.GetType(), [.. Enumerable.Range(0, tuple.Length).Select(item => item == Item ? module : tuple[item])]);
        }

        public override string Obstacle(string parent) => $"list '{Field.Name}' of {parent} is of {Accepts.Name}";
    }

    /// <summary>A collection in which nothing can be put into the place of something else.</summary>
    private sealed record InOther(FieldInfo Field) : Holder(Field, typeof(void))
    {
        public override void Put(nn.Module module) => throw new InvalidOperationException("Refused before: the collection takes no other module.");

        public override string Obstacle(string parent) => $"collection '{Field.Name}' of {parent} holds it too";
    }
}
