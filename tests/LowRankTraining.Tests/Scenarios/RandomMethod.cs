using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Strategies;
using LowRankTraining.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>Draws a method, and several of its options, options of its parts and parts of those, at once.</summary>
/// <param name="random">Draws.</param>
internal sealed class RandomMethod(Random random)
{
    private static readonly string[] Untouched = ["Logger", "Seed", "Name"];

    /// <summary>Small enough that a few steps see everything more than once.</summary>
    private static readonly double[] Numbers = [0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.5, 2, 10];

    /// <summary>A method that can be attached to the model.</summary>
    public ILowRankStrategy Draw(Func<nn.Module> model)
    {
        var drawn = OptionTrial.Short(LowRankStrategies.All[random.Next(LowRankStrategies.All.Count)].Create());
        for (var changes = random.Next(9); changes > 0; changes--)
            if (Changed(drawn) is ILowRankStrategy changed && IsAccepted(changed, model))
                drawn = changed;
        return drawn;
    }

    private static bool IsAccepted(ILowRankStrategy method, Func<nn.Module> make)
    {
        using var scope = NewDisposeScope();
        using var model = make();
        try
        {
            using var optimizer = method.Attach(model).CreateOptimizer();
            return true;
        }
        catch (Exception refusal) when (refusal is Microsoft.Extensions.Options.OptionsValidationException or ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>The same part with another value of one option, wherever in it; null where it has none.</summary>
    private object? Changed(object part)
    {
        var options = OptionTrial.OptionsOf(part.GetType()).Where(option => !Untouched.Contains(option.Name)).ToArray();
        if (options.Length == 0 || part.GetType().GetMethod("<Clone>$") is null)
            return null;
        var option = options[random.Next(options.Length)];
        var type = Nullable.GetUnderlyingType(option.PropertyType) ?? option.PropertyType;
        try
        {
            return OptionTrial.With(part, option, Value(type, option.GetValue(part)));
        }
        catch (Exception refusal) when (refusal is ArgumentException or System.Reflection.TargetInvocationException { InnerException: ArgumentException })
        {
            return null;
        }
    }

    private object? Value(Type type, object? current) => type switch
    {
        _ when type == typeof(double) => Numbers[random.Next(Numbers.Length)],
        _ when type == typeof(int) => random.Next(1, 7),
        _ when type == typeof(long) => random.NextInt64(1, 6),
        _ when type == typeof(bool) => random.Next(2) == 0,
        _ when type.IsEnum => Enum.GetValues(type).GetValue(random.Next(Enum.GetValues(type).Length)),
        _ when type == typeof(IReadOnlyList<ParameterOptions>) => Overrides(),
        _ when !PartOption.IsPart(type) => current,
        _ when current is not null && random.Next(2) == 0 => Changed(current) ?? current,
        _ => Part(type),
    };

    /// <summary>A part of some family, or none.</summary>
    private object? Part(Type family)
    {
        var kinds = Kinds.For(family).Where(kind => kind.Prototype is not null && kind.Type.Assembly == typeof(Kinds).Assembly).ToArray();
        if (kinds.Length == 0 || random.Next(6) == 0)
            return null;
        var part = kinds[random.Next(kinds.Length)].Default();
        if (part is QuantizedFormat format)
            part = format with { Threshold = 0 };
        return random.Next(2) == 0 ? Changed(part) ?? part : part;
    }

    private ParameterOptions[] Overrides() =>
    [
        random.Next(5) switch
        {
            0 => new ParameterOptions { Pattern = "second", Rank = random.Next(1, 4) },
            1 => new ParameterOptions { Pattern = "first", LearningRate = 0.5, WeightDecay = 2 },
            2 => new ParameterOptions { Pattern = "square", Frozen = true },
            3 => new ParameterOptions { Pattern = "embed", States = StateFormat.BFloat16 },
            _ => new ParameterOptions { Pattern = "second", Scale = 0.5 },
        },
    ];
}
