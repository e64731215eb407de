using System.Collections;
using System.Reflection;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>The place where a child hangs in its parent: a registered name, and the fields that hold it.</summary>
internal sealed class Slot
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly string[] HookFields = ["pre_hooks", "post_hooks", "module_pre_hooks", "module_post_hooks"];

    private readonly nn.Module _parent;
    private readonly string _name;
    private readonly FieldInfo[] _fields;

    private Slot(nn.Module parent, string name, nn.Module child)
    {
        (_parent, _name) = (parent, name);
        _fields = [.. FieldsOf(parent).Where(field => ReferenceEquals(field.GetValue(parent), child))];
        Obstacle = FindObstacle(child);
    }

    /// <value>Why the child cannot be replaced, or null.</value>
    public string? Obstacle { get; }

    /// <summary>All slots of a model, by child.</summary>
    public static ILookup<nn.Module, Slot> Of(nn.Module model) =>
        model.named_modules().Select(pair => pair.module).Prepend(model).Distinct()
            .SelectMany(parent => parent.named_children().Select(child => (child.module, slot: new Slot(parent, child.name, child.module))))
            .ToLookup(pair => pair.module, pair => pair.slot);

    /// <summary>Puts another module into the slot, under the same name and in the same order.</summary>
    public void Put(nn.Module module)
    {
        var children = _parent.named_children().ToArray();
        var tail = children.SkipWhile(child => child.name != _name).ToArray();

        // A name that is registered again goes to the end, so everything behind it is taken out and put back as well.
        foreach (var (name, _) in tail)
            _parent.register_module(name, null!);
        foreach (var field in _fields)
            field.SetValue(_parent, module);
        foreach (var (name, child) in tail)
            _parent.register_module(name, name == _name ? module : child);
    }

    private string? FindObstacle(nn.Module child)
    {
        var parent = _parent.GetType().Name;
        if (_fields.Length == 0)
            return $"{parent} does not hold it in a field";
        if (_fields.FirstOrDefault(field => !field.FieldType.IsAssignableFrom(typeof(nn.Module<Tensor, Tensor>))) is { } narrow)
            return $"field '{narrow.Name}' of {parent} is of type {narrow.FieldType.Name}";
        if (FieldsOf(_parent).FirstOrDefault(field => Contains(field.GetValue(_parent), child)) is { } collection)
            return $"collection '{collection.Name}' of {parent} holds it too";
        return HasHooks(child) ? "it has forward hooks of its own" : null;
    }

    /// <summary>Fields of the user's types; TorchSharp's own bookkeeping is reached through its methods.</summary>
    private static IEnumerable<FieldInfo> FieldsOf(nn.Module module)
    {
        for (var type = module.GetType(); type is not null && type.Assembly != typeof(nn.Module).Assembly; type = type.BaseType)
            foreach (var field in type.GetFields(Declared))
                yield return field;
    }

    private static bool Contains(object? value, nn.Module child)
    {
        var items = value switch
        {
            nn.Module => null,
            IDictionary dictionary => dictionary.Values,
            ICollection collection => collection,
            _ => null,
        };
        return items is not null && items.Cast<object?>().Any(item => ReferenceEquals(item, child));
    }

    private static bool HasHooks(nn.Module child) =>
        HookFields.Select(name => child.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(child))
            .Any(hooks => hooks is IDictionary { Count: > 0 });
}
