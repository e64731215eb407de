using System.Reflection;
using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using Xunit;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Any value of any option is refused when the method is attached, or trains.</summary>
public class CorruptedOptionTests
{
    private static readonly object[] Numbers = [0.0, -1.0, double.NaN, double.PositiveInfinity, double.NegativeInfinity, 1e-300, 1e300, 0.5, 1.0, 2.0];

    private static readonly long[] WholeNumbers = [0, -1, 1, 2, 3, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue];

    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Theory, MemberData(nameof(Methods))]
    public void Any_value_is_refused_at_once_or_trains(string name)
    {
        List<string> faults = [];
        var method = LowRankStrategies.Create(name);
        foreach (var (what, corrupted) in Corruptions(method, method.GetType().Name, part => (ILowRankStrategy)part))
            if (Fault(corrupted) is { } fault)
                faults.Add($"{what}: {fault}");

        faults.Should().BeEmpty();
    }

    /// <summary>Parts that cannot be made without options.</summary>
    private static readonly object[] Required =
    [
        new SubspaceRule { Rank = 4, RefreshEvery = 2 }, new AdamRule { MomentumSchedule = new() { TotalSteps = 4 } },
    ];

    public static TheoryData<string> Parts => [.. AllParts.Select((part, index) => $"{index}: {part.GetType().Name}")];

    private static IEnumerable<object> AllParts => typeof(IPart).Assembly.GetExportedTypes()
        .Where(type => type is { IsAbstract: false, IsGenericType: false } && !type.IsAssignableTo(typeof(ILowRankStrategy)))
        .Where(type => type.GetConstructor(Type.EmptyTypes) is not null && !type.IsDefined(typeof(System.Runtime.CompilerServices.RequiredMemberAttribute)))
        .Select(type => Activator.CreateInstance(type)!).Concat(Required).Where(part => Hold(part) is not null);

    [Theory, MemberData(nameof(Parts))]
    public void Any_value_of_a_part_is_refused_at_once_or_trains(string row)
    {
        var part = AllParts.ElementAt(int.Parse(row.Split(':')[0], System.Globalization.CultureInfo.InvariantCulture));

        List<string> faults = [];
        foreach (var (what, corrupted) in Corruptions(part, part.GetType().Name, changed => Hold(changed)!))
            if (Fault(corrupted) is { } fault)
                faults.Add($"{what}: {fault}");

        faults.Should().BeEmpty();
    }

    /// <summary>A method that has the part; null for what no gradient-space method has.</summary>
    private static Recipe? Hold(object part)
    {
        var rule = new SubspaceRule { Rank = 4, RefreshEvery = 2, OnRefresh = MomentCarryOver.Rotate };
        return part switch
        {
            IBasis basis => Recipe.Of("test.part", rule with { Basis = basis, Lift = basis.IsOrthonormal ? new ProjectBack() : new ScaledGradient() }),
            IRefreshPolicy refresh => Recipe.Of("test.part", rule with { Refresh = refresh }),
            ISpikeGuard guard => Recipe.Of("test.part", rule with { Guard = guard }),
            ILift lift => Recipe.Of("test.part", rule with { Lift = lift }),
            NormGrowthLimiter limiter => Recipe.Of("test.part", rule with { Lift = new ScaledResidual { Limiter = limiter } }),
            OnlinePcaDrift drift => Recipe.Of("test.part", rule with { Drift = drift }),
            DirectionRule inner => Recipe.Of("test.part", rule with { Inner = inner }, inner),
            UpdateRule other => Recipe.Of("test.part", other),
            _ => null,
        };
    }

    /// <summary>Every option of a part set to every bad value, and so with the parts in it.</summary>
    private static IEnumerable<(string What, Func<ILowRankStrategy> Make)> Corruptions(object part, string path, Func<object, ILowRankStrategy> around)
    {
        foreach (var option in OptionTrial.OptionsOf(part.GetType()))
        {
            foreach (var value in BadValues(option))
                yield return ($"{path}.{option.Name} = {value ?? "null"}", () => around(OptionTrial.With(part, option, value)));
            if (option.GetValue(part) is IPart inner)
                foreach (var corruption in Corruptions(inner, $"{path}.{option.Name}", changed => around(OptionTrial.With(part, option, changed))))
                    yield return corruption;
        }
    }

    private static IEnumerable<object?> BadValues(PropertyInfo option)
    {
        var type = Nullable.GetUnderlyingType(option.PropertyType) ?? option.PropertyType;
        if (type == typeof(double))
            return Numbers;
        if (type == typeof(int))
            return WholeNumbers.Where(value => value is >= int.MinValue and <= int.MaxValue).Select(value => (object)(int)value);
        if (type == typeof(long))
            return WholeNumbers.Select(value => (object)value);
        if (type == typeof(ulong))
            return [0ul, ulong.MaxValue];
        if (type == typeof(bool))
            return [true, false];
        if (type.IsEnum)
            return [Enum.ToObject(type, 99), Enum.ToObject(type, -1), .. Enum.GetValues(type).Cast<object>()];
        return [null];
    }

    private static string? Fault(Func<ILowRankStrategy> make)
    {
        try
        {
            using var model = new OptionTrial.Small();
            using var session = make().Attach(model);
        }
        catch (TargetInvocationException refusal) when (refusal.InnerException is ArgumentException)
        {
            return null;
        }
        catch (Exception refusal) when (refusal is Microsoft.Extensions.Options.OptionsValidationException or ArgumentException)
        {
            return null;
        }

        try
        {
            OptionTrial.Run(make(), out var isFinite);
            return isFinite ? null : "weights are not finite";
        }
        catch (Exception failure)
        {
            return $"{failure.GetType().Name}: {failure.Message.Split('\n')[0]}";
        }
    }
}
