using System.Globalization;
using System.Runtime.CompilerServices;
using LowRankTraining.Adapters;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Refuses wrong options with one error that lists every violation.</summary>
internal static class OptionsValidation
{
    /// <exception cref="OptionsValidationException">At least one rule is violated; the message and <see cref="OptionsValidationException.Failures"/> list them all.</exception>
    public static TOptions Require<TOptions>(this IValidateOptions<TOptions> validator, TOptions options) where TOptions : class
    {
        ArgumentNullException.ThrowIfNull(options);
        var result = validator.Validate(typeof(TOptions).Name, options);
        return result.Failed ? throw new OptionsValidationException(typeof(TOptions).Name, typeof(TOptions), result.Failures) : options;
    }
}

/// <summary>Collects violations. The name of an option is taken from the expression that reads it.</summary>
internal sealed class OptionsRules
{
    /// <summary>What weights in float32 can be multiplied by, with room on either side.</summary>
    private const double Smallest = 1e-30, Largest = 1e30;

    private readonly List<string> _failures = [];

    public ValidateOptionsResult Result => _failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_failures);

    /// <summary>value ≥ minimum.</summary>
    public OptionsRules AtLeast(double minimum, double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value >= minimum && value <= Largest, option, value, $"at least {Text(minimum)}{Limits(value >= minimum)}");

    /// <summary>value &gt; minimum.</summary>
    public OptionsRules Above(double minimum, double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value > minimum && value <= Largest && (minimum != 0 || value >= Smallest), option, value, $"above {Text(minimum)}{Limits(value > minimum)}");

    /// <summary>0 ≤ value &lt; 1.</summary>
    public OptionsRules Fraction(double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value is >= 0 and < 1, option, value, "at least 0 and below 1");

    /// <summary>One of the named values.</summary>
    public OptionsRules OneOf<TEnum>(TEnum value, TEnum[] allowed, [CallerArgumentExpression(nameof(value))] string option = "") where TEnum : struct, Enum =>
        Check(allowed.Contains(value), option, value, $"one of {string.Join(", ", allowed)}");

    /// <summary>Any rule in words: "MergeEvery must be a multiple of …".</summary>
    public OptionsRules Require(bool holds, string failure)
    {
        if (!holds)
            _failures.Add(failure);
        return this;
    }

    /// <summary>A quantized base is in a format that exists, and its layers may be replaced.</summary>
    public OptionsRules QuantizesBy(BaseFormat format, Injection injection) => OneOf(format, Enum.GetValues<BaseFormat>(), "Base")
        .Require(format == BaseFormat.Dense || injection is Injection.Auto or Injection.Replace,
            $"Base {format} needs layers of its own: Injection is {injection}, and must be Auto or Replace.");

    private OptionsRules Check(bool holds, string option, object value, string requirement) =>
        Require(holds, $"{option[(option.LastIndexOf('.') + 1)..]} is {Text(value)}: it must be {requirement}.");

    private static string Limits(bool isOnTheRightSide) =>
        isOnTheRightSide ? $", and a number that float32 can be multiplied by: from {Text(Smallest)} to {Text(Largest)}" : "";

    private static string Text(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
