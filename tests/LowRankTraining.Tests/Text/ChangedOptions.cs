using System.Reflection;
using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Text;

namespace LowRankTraining.Tests.Text;

/// <summary>Methods with options that are not as by default.</summary>
internal static class ChangedOptions
{
    private static readonly Type[] InCodeAlone = [typeof(WeLorePlan)];

    /// <summary>The method with each option changed by itself, and with each option of every part that it can have.</summary>
    public static IEnumerable<ILowRankStrategy> Of(ILowRankStrategy method) => Changed(method, Parts).Cast<ILowRankStrategy>();

    private static IEnumerable<object> Changed(object part, Func<Kind, IEnumerable<object>> parts)
    {
        foreach (var option in PartOption.Of(part.GetType()).Where(option => option.IsSettable && !InCodeAlone.Contains(option.Type)))
        {
            var others = Others(option, option.Get(part), parts).ToArray();
            others.Should().NotBeEmpty($"{part.GetType().Name}.{option.Name} is an option");
            foreach (var value in others)
                if (Try(() => With(part, option, value)) is { } changed)
                    yield return changed;
        }
    }

    /// <summary>A part as it is by default, and with each of its options changed.</summary>
    private static IEnumerable<object> Parts(Kind kind) => [Made(kind), .. Changed(Made(kind), inner => [Made(inner)])];

    /// <summary>A part by default; where its options have to be given, with the first that go together.</summary>
    private static object Made(Kind kind) => kind.Maker is not { } maker ? kind.Default() : maker.Parameters
        .Aggregate<ParameterInfo, IEnumerable<object?[]>>([[]], (rows, parameter) =>
            rows.SelectMany(row => Needed(kind, parameter).Select(value => (object?[])[.. row, value])))
        .Select(values => Try(() => maker.Make(values))).First(made => made is not null)!;

    private static IEnumerable<object?> Needed(Kind kind, ParameterInfo parameter) => parameter.HasDefaultValue ? [parameter.DefaultValue] : Others(
        PartOption.Of(kind.Type).First(option => KindName.AreSame(option.Name, parameter.Name!)), null,
        inner => inner.Maker is null ? [inner.Default()] : []);

    /// <summary>A part, or null where its options are refused when they are set.</summary>
    private static object? Try(Func<object> make)
    {
        try
        {
            return make();
        }
        catch (TargetInvocationException exception) when (exception.InnerException is ArgumentException)
        {
            return null;
        }
    }

    private static object With(object part, PartOption option, object? value)
    {
        var copy = Kind.Copy(part);
        option.Set(copy, value);
        return copy;
    }

    private static IEnumerable<object?> Others(PartOption option, object? value, Func<Kind, IEnumerable<object>> parts) => option.Type switch
    {
        var type when type == typeof(string) => [$"{value}a.b"],
        var type when type == typeof(int) => [Convert.ToInt32(value, null) + 1],
        var type when type == typeof(long) => [Convert.ToInt64(value, null) + 1],
        var type when type == typeof(ulong) => [ulong.MaxValue],
        var type when type == typeof(bool) => [!(bool)(value ?? false)],
        var type when type == typeof(double) => [value is null ? 0.5 : (double)value * 0.75 + 1e-5, double.PositiveInfinity],
        { IsEnum: true } type => Enum.GetValues(type).Cast<object>().Where(other => !other.Equals(value)),
        var type when type == typeof(Sparsity) => [Sparsity.TwoOfFour, Sparsity.Share(0.125)],
        var type when type == typeof(IReadOnlyDictionary<string, int>) => [new Dictionary<string, int> { ["a.b"] = 3, ["c"] = 4 }],
        var type when type == typeof(IReadOnlyDictionary<string, double>) => [new Dictionary<string, double> { ["a.b"] = 0.5 }],
        var type when type == typeof(IReadOnlyList<ParameterOptions>) =>
        [
            .. Changed(new ParameterOptions { Pattern = "a.b" }, Parts).Select(row => (ParameterOptions[])[(ParameterOptions)row, new() { Pattern = "c" }]),
        ],
        var type => Kinds.For(type).SelectMany(parts).Append(option.MayBeNull ? null : value).Where(part => !Equals(part, value)),
    };
}
