using System.Reflection;

namespace LowRankTraining.Layers;

/// <summary>The place where a child hangs in its parent: a registered name, and the fields and lists that hold it.</summary>
internal sealed class ModuleSlot
{
    /// <summary>Why a layer with hooks is left as it is.</summary>
    public const string HooksOfItsOwn = "it has forward hooks of its own";

    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private readonly nn.Module _parent;
    private readonly string _name;
    private readonly Holder[] _holders;

    private ModuleSlot(nn.Module parent, string name, nn.Module child)
    {
        (_parent, _name) = (parent, name);
        _holders = [.. FieldsOf(parent).SelectMany(field => Holder.Of(parent, field, child))];
        Obstacle = FindObstacle(child);
    }

    /// <value>Why the child cannot be replaced, or null.</value>
    public string? Obstacle { get; }

    /// <value>Whether the obstacle is a holder that takes no other type of module, or none that is known.</value>
    public bool IsTooNarrow => _holders.Length == 0 || _holders.Any(holder => !holder.TakesAnyModule);

    /// <summary>All slots of a model, by child.</summary>
    /// <exception cref="NotSupportedException">This version of TorchSharp keeps parameters or hooks elsewhere than the known one.</exception>
    public static ILookup<nn.Module, ModuleSlot> Of(nn.Module model)
    {
        ParameterRegistry.Require(model);
        return model.named_modules().Select(pair => pair.module).Prepend(model).Distinct()
            .SelectMany(parent => parent.named_children().Select(child => (child.module, slot: new ModuleSlot(parent, child.name, child.module))))
            .ToLookup(pair => pair.module, pair => pair.slot);
    }

    /// <summary>Puts another module into the slot, under the same name and in the same order. What the model's user has put there meanwhile stays.</summary>
    public void Put(nn.Module module, nn.Module inPlaceOf)
    {
        if (!_parent.named_children().Any(child => child.name == _name && ReferenceEquals(child.module, inPlaceOf)))
            return;

        foreach (var holder in _holders)
            holder.Put(module);

        // A Sequential's list is its register.
        var children = _parent.named_children().ToArray();
        if (children.Any(child => child.name == _name && ReferenceEquals(child.module, module)))
            return;

        // A name that is registered again goes to the end, so everything behind it is taken out and put back as well.
        var tail = children.SkipWhile(child => child.name != _name).ToArray();
        foreach (var (name, _) in tail)
            _parent.register_module(name, null!);
        foreach (var (name, child) in tail)
            _parent.register_module(name, name == _name ? module : child);
    }

    private string? FindObstacle(nn.Module child)
    {
        var parent = _parent.GetType().Name;
        if (_holders.Length == 0)
            return $"{parent} does not hold it in a field, list or dictionary";
        if (_holders.FirstOrDefault(holder => !holder.TakesAnyModule) is { } narrow)
            return narrow.Obstacle(parent);
        return ForwardHooks.AnyOf(child) ? HooksOfItsOwn : null;
    }

    private static IEnumerable<FieldInfo> FieldsOf(nn.Module parent)
    {
        for (var type = parent.GetType(); type is not null && type != typeof(object); type = type.BaseType)
            foreach (var field in type.GetFields(Declared))
                yield return field;
    }
}

/// <summary>All places of one child.</summary>
internal static class ModuleSlotExtensions
{
    /// <summary>Puts another module into every one.</summary>
    public static void Put(this IReadOnlyList<ModuleSlot> slots, nn.Module module, nn.Module inPlaceOf)
    {
        foreach (var slot in slots)
            slot.Put(module, inPlaceOf);
    }
}
