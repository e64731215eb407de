using System.Collections;
using System.Reflection;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>What refers to a child module: a field, by itself or through a collection, or a module that is a dictionary.</summary>
/// <param name="Accepts">The type of module that fits into the place.</param>
internal abstract record Holder(Type Accepts)
{
    /// <value>Whether a module of another type fits.</value>
    public bool TakesAnyModule => Accepts.IsAssignableFrom(typeof(nn.Module<Tensor, Tensor>));

    /// <summary>Everything in a parent that refers to a child.</summary>
    public static IEnumerable<Holder> Of(nn.Module parent, IEnumerable<FieldInfo> fields, nn.Module child)
    {
        if (InKeyedModule.Find(parent, child) is { } keyed)
            yield return keyed;
        foreach (var field in fields)
            if (Of(parent, field, child) is { } holder)
                yield return holder;
    }

    public abstract void Put(nn.Module module);

    /// <summary>Why no other module fits.</summary>
    /// <param name="parent">The name of the parent's type.</param>
    public abstract string Obstacle(string parent);

    private static Holder? Of(nn.Module parent, FieldInfo field, nn.Module child) => field.GetValue(parent) switch
    {
        // TorchSharp's own modules keep children in lists; a field of theirs that is a module is something else.
        nn.Module module => ReferenceEquals(module, child) && !IsOfTorchSharp(field) ? new InField(parent, field) : null,
        IDictionary dictionary => Contains(dictionary.Values, child) && !IsOfTorchSharp(field) ? InDictionary.Or(field, dictionary, child) : null,
        IList list => !Contains(list, child) ? null : list.IsReadOnly ? new InOther(field) : new InList(field, list, child),
        ICollection collection => Contains(collection, child) && !IsOfTorchSharp(field) ? new InOther(field) : null,
        _ => null,
    };

    private static bool IsOfTorchSharp(FieldInfo field) => field.DeclaringType!.Assembly == typeof(nn.Module).Assembly;

    private static bool Contains(ICollection items, nn.Module child) => items.Cast<object?>().Any(item => ReferenceEquals(item, child));

    private static Type[]? ArgumentsOf(Type type, Type generic) =>
        type.GetInterfaces().FirstOrDefault(face => face.IsGenericType && face.GetGenericTypeDefinition() == generic)?.GetGenericArguments();

    private sealed record InField(nn.Module Parent, FieldInfo Field) : Holder(Field.FieldType)
    {
        public override void Put(nn.Module module) => Field.SetValue(Parent, module);

        public override string Obstacle(string parent) => $"field '{Field.Name}' of {parent} is of type {Field.FieldType.Name}";
    }

    private sealed record InList(FieldInfo Field, IList List, nn.Module Child) : Holder(ElementOf(List.GetType()))
    {
        private readonly int[] _places = [.. Enumerable.Range(0, List.Count).Where(index => ReferenceEquals(List[index], Child))];

        public override void Put(nn.Module module)
        {
            foreach (var place in _places)
                List[place] = module;
        }

        public override string Obstacle(string parent) => $"list '{Field.Name}' of {parent} is of {Accepts.Name}";

        private static Type ElementOf(Type list) => list.GetElementType() ?? list.GetGenericArguments().FirstOrDefault() ?? typeof(object);
    }

    /// <summary>A dictionary of the model's own.</summary>
    private sealed record InDictionary(FieldInfo Field, IDictionary Dictionary, object[] Keys, Type Accepts) : Holder(Accepts)
    {
        public static Holder Or(FieldInfo field, IDictionary dictionary, nn.Module child)
        {
            object[] keys = [.. dictionary.Keys.Cast<object>().Where(key => ReferenceEquals(dictionary[key], child))];
            return dictionary.IsReadOnly ? new InOther(field) : new InDictionary(field, dictionary, keys, ArgumentsOf(dictionary.GetType(), typeof(IDictionary<,>))?[1] ?? typeof(object));
        }

        public override void Put(nn.Module module)
        {
            foreach (var key in Keys)
                Dictionary[key] = module;
        }

        public override string Obstacle(string parent) => $"dictionary '{Field.Name}' of {parent} is of {Accepts.Name}";
    }

    /// <summary>A module that is a dictionary itself, as <c>ModuleDict</c>, which keeps names and children together where no field tells.</summary>
    private sealed record InKeyedModule(nn.Module Parent, PropertyInfo Item, string[] Keys) : Holder(Item.PropertyType)
    {
        public static InKeyedModule? Find(nn.Module parent, nn.Module child)
        {
            if (ArgumentsOf(parent.GetType(), typeof(IDictionary<,>)) is not [var key, var value] || key != typeof(string) || !value.IsAssignableTo(typeof(nn.Module)))
                return null;

            string[] keys = [.. parent.named_children().Where(pair => ReferenceEquals(pair.module, child)).Select(pair => pair.name)];
            return new InKeyedModule(parent, typeof(IDictionary<,>).MakeGenericType(key, value).GetProperty("Item")!, keys);
        }

        public override void Put(nn.Module module)
        {
            foreach (var key in Keys)
                Item.SetValue(Parent, module, [key]);
        }

        public override string Obstacle(string parent) => $"{parent} is of {Accepts.Name}";
    }

    /// <summary>A collection in which nothing can be put into the place of something else.</summary>
    private sealed record InOther(FieldInfo Field) : Holder(typeof(void))
    {
        public override void Put(nn.Module module) => throw new InvalidOperationException("Refused before: the collection takes no other module.");

        public override string Obstacle(string parent) => $"collection '{Field.Name}' of {parent} holds it too";
    }
}
