using System.Collections.Concurrent;
using System.Reflection;

namespace LowRankTraining;

/// <summary>Looks from time to time for parameters that a model has been given after its optimizer was made: nothing trains them, and nothing would
/// tell.</summary>
/// <remarks>A look walks through the model, which takes a microsecond a parameter. So it comes at steps 1, 2, 4 and so on, then once in a hundred, and
/// earlier where parameters cease to have gradients, as replaced ones do.</remarks>
internal sealed class ModelWatch(nn.Module model, Func<Parameter, bool> isTrained)
{
    private const int Longest = 100, Earlier = 8;

    private int _interval = 1, _since;
    private long _idleBefore = long.MaxValue;

    /// <param name="idle">Parameters that had no gradient in the last step.</param>
    /// <exception cref="InvalidOperationException">The model has parameters that take gradients and are not trained.</exception>
    public void Look(long idle)
    {
        if (++_since < _interval && (idle <= _idleBefore || _since < _interval / Earlier))
            return;

        Require();
        (_interval, _since, _idleBefore) = (Math.Min(Longest, 2 * _interval), 0, idle);
    }

    private void Require()
    {
        if (Strangers(UnlistedModules.ParametersIn(model)) is { Length: > 0 } unlisted)
            throw new InvalidOperationException($"The model runs {Names(unlisted)} in the place of what it had when it was made, and lists the former still: "
                + "what runs is neither trained nor saved. Take the old module out by register_module(name, null), register the new one under its name, and "
                + "attach the strategy again; or copy the new values into the old one, which the optimizer has. Nothing was changed.");

        if (Strangers(model.named_parameters()) is { Length: > 0 } strangers)
            throw new InvalidOperationException($"Nothing trains {Names(strangers)}, which came into the model after the strategy was attached, perhaps in the "
                + "place of something else, or was frozen by the strategy and thawed since. Freeze it (requires_grad = false), give it to add_param_group, put "
                + "back what was there and copy the new values into it, or attach the strategy and make the optimizer again. Nothing was changed.");
    }

    /// <summary>Those that the loss depends on, and that are not trained.</summary>
    private (string Name, Parameter Parameter)[] Strangers(IEnumerable<(string Name, Parameter Parameter)> parameters) =>
        [.. parameters.Where(pair => !isTrained(pair.Parameter) && pair.Parameter.requires_grad && pair.Parameter.HasGradient())];

    private static string Names((string Name, Parameter Parameter)[] strangers) => strangers.Select(stranger => $"'{stranger.Name}'").Few(6);
}

/// <summary>Finds what a model runs and does not list. TorchSharp lists what a field held when the module was made; what is put into the field later, or into a
/// <c>ModuleList</c>, is run, and is neither saved nor trained nor moved.</summary>
internal static class UnlistedModules
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Fields = new();

    /// <summary>The parameters that stand in the place of listed ones, by the names of those.</summary>
    public static IEnumerable<(string Name, Parameter Parameter)> ParametersIn(nn.Module model) =>
        ParameterPlace.ModulesOf(model).SelectMany(
            owner => InFieldsOf(owner.Module).Concat(InListOf(owner.Module)),
            (owner, found) => (ParameterPlace.Join(owner.Path, found.Name), found.Parameter));

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
