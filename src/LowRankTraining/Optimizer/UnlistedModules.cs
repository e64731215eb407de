using System.Collections.Concurrent;
using System.Reflection;

namespace LowRankTraining;

/// <summary>Finds what a model runs and does not list. TorchSharp lists what a field held when the module was made; what is put into the field later, or into a
/// <c>ModuleList</c>, is run, and is neither saved nor trained nor moved.</summary>
internal static class UnlistedModules
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Fields = new();

    /// <summary>The parameters that stand in the place of listed ones, by the names of those.</summary>
    public static IEnumerable<(string Name, Parameter Parameter)> ParametersIn(nn.Module model) =>
        ParameterPlace.ModulesOf(model).SelectMany(
            owner => InFieldsOf(owner.Module).Concat(InListOf(owner.Module)),
            (owner, found) => (owner.Path.Length == 0 ? found.Name : $"{owner.Path}.{found.Name}", found.Parameter));

    private static IEnumerable<(string Name, Parameter Parameter)> InFieldsOf(nn.Module module)
    {
        var fields = Fields.GetOrAdd(module.GetType(), FieldsOf);
        if (fields.Length == 0)
            return [];

        var (children, own) = (module.named_children().ToDictionary(), module.named_parameters(recurse: false).ToDictionary());
        return fields.SelectMany(field => (field.ComponentName(), field.GetValue(module)) switch
        {
            (var name, nn.Module other) when children.TryGetValue(name, out var listed) && !ReferenceEquals(listed, other) => Under(name, other),
            (var name, Parameter other) when own.TryGetValue(name, out var listed) && !ReferenceEquals(listed, other) => [(name, other)],
            _ => [],
        });
    }

    private static IEnumerable<(string Name, Parameter Parameter)> InListOf(nn.Module module)
    {
        if (module is not IEnumerable<nn.Module> items)
            return [];

        var listed = module.named_children().Select(child => child.module).ToHashSet(ReferenceEqualityComparer.Instance);
        return items.SelectMany((item, index) => listed.Contains(item) ? [] : Under($"{index}", item));
    }

    private static IEnumerable<(string Name, Parameter Parameter)> Under(string name, nn.Module module) =>
        module.named_parameters().Select(pair => ($"{name}.{pair.name}", pair.parameter));

    /// <summary>Those that TorchSharp looks at, of modules that are not its own.</summary>
    private static FieldInfo[] FieldsOf(Type type) => type.Assembly == typeof(nn.Module).Assembly ? [] :
    [
        .. type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(field => field.DeclaringType!.Assembly != typeof(nn.Module).Assembly
                && (typeof(nn.Module).IsAssignableFrom(field.FieldType) || field.FieldType.IsAssignableFrom(typeof(Parameter)) || field.FieldType.IsInterface)),
    ];
}
