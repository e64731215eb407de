using System.Collections;
using System.Reflection;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>A field that refers to a child module, by itself or through a collection.</summary>
internal abstract record Holder(FieldInfo Field, Type Accepts)
{
    /// <value>Whether a module of another type fits.</value>
    public bool TakesAnyModule => Accepts.IsAssignableFrom(typeof(nn.Module<Tensor, Tensor>));

    public static Holder? Of(nn.Module parent, FieldInfo field, nn.Module child) => field.GetValue(parent) switch
    {
        // TorchSharp's own modules keep children in lists; a field of theirs that is a module is something else.
        nn.Module module => ReferenceEquals(module, child) && !IsOfTorchSharp(field) ? new InField(parent, field) : null,
        IDictionary dictionary => Contains(dictionary.Values, child) && !IsOfTorchSharp(field) ? new InOther(field) : null,
        IList list => Contains(list, child) ? new InList(field, list, list.Cast<object?>().ToList().FindIndex(item => ReferenceEquals(item, child))) : null,
        ICollection collection => Contains(collection, child) && !IsOfTorchSharp(field) ? new InOther(field) : null,
        _ => null,
    };

    public abstract void Put(nn.Module module);

    public virtual string Obstacle(string parent) => $"field '{Field.Name}' of {parent} is of type {Field.FieldType.Name}";

    private static bool IsOfTorchSharp(FieldInfo field) => field.DeclaringType!.Assembly == typeof(nn.Module).Assembly;

    private static bool Contains(ICollection items, nn.Module child) => items.Cast<object?>().Any(item => ReferenceEquals(item, child));

    private sealed record InField(nn.Module Parent, FieldInfo Field) : Holder(Field, Field.FieldType)
    {
        public override void Put(nn.Module module) => Field.SetValue(Parent, module);
    }

    private sealed record InList(FieldInfo Field, IList List, int Index) : Holder(Field, ElementOf(List.GetType()))
    {
        public override void Put(nn.Module module) => List[Index] = module;

        public override string Obstacle(string parent) => $"list '{Field.Name}' of {parent} is of {Accepts.Name}";

        private static Type ElementOf(Type list) => list.GetElementType() ?? list.GetGenericArguments().FirstOrDefault() ?? typeof(object);
    }

    /// <summary>A collection in which nothing can be put into the place of something else.</summary>
    private sealed record InOther(FieldInfo Field) : Holder(Field, typeof(void))
    {
        public override void Put(nn.Module module) => throw new InvalidOperationException("Refused before: the collection takes no other module.");

        public override string Obstacle(string parent) => $"collection '{Field.Name}' of {parent} holds it too";
    }
}
