using System.Reflection;

namespace LowRankTraining.Text;

/// <summary>Makes parts whose constructor, or whose static method <c>Of</c>, takes their options.</summary>
internal sealed record Maker(MethodBase Method)
{
    public IReadOnlyList<ParameterInfo> Parameters { get; } = Method.GetParameters();

    /// <summary>How a part without a constructor of no parameters is made, or null where text cannot make it.</summary>
    public static Maker? For(Type type)
    {
        var options = PartOption.Of(type).ToDictionary(option => option.Name, option => option.Type, StringComparer.OrdinalIgnoreCase);
        return type.GetConstructors().Cast<MethodBase>()
            .Concat(type.GetMethods(BindingFlags.Public | BindingFlags.Static).Where(method => method.Name == "Of" && method.ReturnType == type))
            .Where(method => method.GetParameters() is { Length: > 0 } parameters && parameters.All(IsOption))
            .Select(method => new Maker(method)).FirstOrDefault();

        bool IsOption(ParameterInfo parameter) => options.TryGetValue(parameter.Name!, out var option)
            && option == (Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType);
    }

    public object Make(object?[] values) => Method is ConstructorInfo constructor ? constructor.Invoke(values) : Method.Invoke(null, values)!;
}
