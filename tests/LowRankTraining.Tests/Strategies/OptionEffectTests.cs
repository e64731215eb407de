using System.Reflection;
using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using Xunit;

namespace LowRankTraining.Tests.Strategies;

/// <summary>No option is without effect: changed by itself it makes another plan or another trajectory, or is refused.</summary>
public class OptionEffectTests
{
    /// <summary>Options that say what is allowed, where to report or what to do after the last step, and change no number.</summary>
    private static readonly string[] Silent = ["Logger", "Strict", "AccumulatesInSubspace", "Seed", "AllowUnreached", "Injection", "PruneAtFinish"];

    /// <summary>Options of what the trial's model does not have: a head of its own.</summary>
    private static readonly (string Method, string Option)[] Elsewhere = [("scale", "Momentum")];

    private static readonly object?[] Nothing = [null];

    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Theory, MemberData(nameof(Methods))]
    public void Option_makes_a_difference_or_is_refused(string name)
    {
        var method = OptionTrial.Short(LowRankStrategies.Create(name));
        var usual = OptionTrial.Run(method, out _);
        OptionTrial.Run(method, out _).Should().Be(usual, "the trial itself repeats");

        List<string> idle = [];
        foreach (var option in OptionTrial.OptionsOf(method.GetType())
            .Where(option => !Silent.Contains(option.Name) && !Elsewhere.Contains((name, option.Name))))
        {
            var effects = Others(option, method).Select(value => EffectOf(OptionTrial.With(method, option, value), usual)).ToArray();
            if (effects.Length > 0 && !effects.Contains(Effect.Difference))
                idle.Add($"{option.Name} ({string.Join(", ", effects)})");
        }

        idle.Should().BeEmpty();
    }

    private static IEnumerable<object?> Others(PropertyInfo option, object owner)
    {
        var (type, value) = (Nullable.GetUnderlyingType(option.PropertyType) ?? option.PropertyType, option.GetValue(owner));
        IEnumerable<object?> others = type switch
        {
            _ when type == typeof(double) => value is null ? [1.0, 1.5] : [(double)value * 0.5, (double)value * 1.5, 0.01],
            _ when type == typeof(int) => [2, (int)(value ?? 0) + 1],
            _ when type == typeof(long) => [1L, 3L, (long)(value ?? 0L) + 1],
            _ when type == typeof(bool) => [!(bool)value!],
            _ when type.IsEnum => Enum.GetValues(type).Cast<object>(),
            _ when type == typeof(StateFormat) => [StateFormat.BFloat16, StateFormat.Float32],
            _ when type == typeof(MomentCarryOver) => [MomentCarryOver.Reset, MomentCarryOver.Rotate, MomentCarryOver.Keep],
            _ when type == typeof(IBasis) => [new RandomOrthonormalBasis(), new GramBasis()],
            _ when type == typeof(IDrawnBasis) => [new RandomOrthonormalBasis()],
            _ when type == typeof(IRefreshPolicy) => [new PeriodicRefresh { Every = 3 }],
            _ when type == typeof(ISpikeGuard) => [new SpikeGuard { Threshold = 1.1, ClipStart = 1 }],
            _ when type == typeof(DirectionRule) => [new LionRule()],
            _ when type == typeof(AdafactorRule) => [new AdafactorRule { ScaleParameter = true, ClipThreshold = 0.1 }],
            _ => [],
        };
        var removable = type == typeof(NormGrowthLimiter);
        return (removable ? Nothing : others).Where(other => !Equals(other, value));
    }

    private static Effect EffectOf(ILowRankStrategy changed, string usual)
    {
        try
        {
            return OptionTrial.Run(changed, out _) != usual ? Effect.Difference : Effect.None;
        }
        catch (Microsoft.Extensions.Options.OptionsValidationException refusal) when (refusal.Failures.All(failure => failure.Contains(": it must be ")))
        {
            return Effect.OutOfRange;
        }
        catch (Exception refusal) when (refusal is Microsoft.Extensions.Options.OptionsValidationException or ArgumentException)
        {
            return Effect.Difference;
        }
    }

    /// <summary>What comes of another value. A refusal because of what the value does beside the others is a difference; one because of its range tells
    /// nothing.</summary>
    private enum Effect
    {
        None,
        OutOfRange,
        Difference,
    }
}
