using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;

namespace LowRankTraining;

/// <summary>Something with options that can tell whether they are right: a method, or one of the parts that methods are made of.</summary>
public interface IPart
{
    /// <summary>Reports every option that is out of range, and everything that does not go together. Nothing by default.</summary>
    /// <param name="checks">Collects what is wrong. Parts within this one are checked by <see cref="Checks.Part"/>.</param>
    void Check(Checks checks) { }
}

/// <summary>Collects what is wrong with the options of a method and of its parts, each with the path to it:
/// "Fira.Limiter.MaxGrowth is 0.5: it must be above 1."</summary>
/// <remarks>The name of an option is taken from the expression that reads it. Of a number that may be missing null is right.</remarks>
public sealed class Checks
{
    /// <summary>What weights in float32 can be multiplied by, with room on either side.</summary>
    private const double Smallest = 1e-30, Largest = 1e30;

    private readonly List<string> _failures;
    private readonly string _path;

    private Checks(List<string> failures, string path) => (_failures, _path) = (failures, path);

    /// <summary>All that is wrong with a method or a part, and with the parts in it.</summary>
    /// <returns>One sentence for each violation; none where everything is right.</returns>
    public static IReadOnlyList<string> Of(IPart part)
    {
        ArgumentNullException.ThrowIfNull(part);
        var checks = new Checks([], part.GetType().Name);
        part.Check(checks);
        return checks._failures;
    }

    /// <summary>Refuses a method or a part with anything wrong.</summary>
    /// <returns>The part.</returns>
    /// <exception cref="OptionsValidationException">Something is wrong; <see cref="OptionsValidationException.Failures"/> lists it all.</exception>
    public static TPart Require<TPart>(TPart part) where TPart : class, IPart
    {
        var failures = Of(part);
        return failures.Count == 0 ? part : throw new RefusedOptions(part.GetType().Name, part.GetType(), failures);
    }

    /// <summary>value ≥ minimum, and a number that float32 can be multiplied by.</summary>
    public Checks AtLeast(double minimum, double? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Range(value is null || (value >= minimum && value <= Largest), option, value, $"at least {Text(minimum)}{Limits(value >= minimum)}");

    /// <summary>value &gt; minimum, and a number that float32 can be multiplied by.</summary>
    public Checks Above(double minimum, double? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Range(value is null || (value > minimum && value <= Largest && (minimum != 0 || value >= Smallest)), option, value,
            $"above {Text(minimum)}{Limits(value > minimum)}");

    /// <summary>0 ≤ value &lt; 1.</summary>
    public Checks Fraction(double? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Range(value is null or (>= 0 and < 1), option, value, "at least 0 and below 1");

    /// <summary>0 &lt; value &lt; 1.</summary>
    public Checks Share(double? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Range(value is null or (> 0 and < 1), option, value, "above 0 and below 1");

    /// <summary>0 &lt; value ≤ 1.</summary>
    public Checks Ratio(double? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Range(value is null or (> 0 and <= 1), option, value, "above 0 and at most 1");

    /// <summary>minimum ≤ value ≤ maximum.</summary>
    public Checks Between(double minimum, double maximum, double? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Range(value is null || (value >= minimum && value <= maximum), option, value, $"at least {Text(minimum)} and at most {Text(maximum)}");

    /// <summary>One of the named values of an enumeration.</summary>
    public Checks Defined<TEnum>(TEnum value, [CallerArgumentExpression(nameof(value))] string option = "") where TEnum : struct, Enum =>
        Range(Enum.IsDefined(value), option, value, $"one of {string.Join(", ", Enum.GetNames<TEnum>())}");

    /// <summary>A part that has to be there, and whatever is wrong with it.</summary>
    public Checks Part(IPart? part, [CallerArgumentExpression(nameof(part))] string option = "") =>
        part is null ? Add(false, $"{PathOf(option)} is null: it must be set.") : OptionalPart(part, option);

    /// <summary>A part that may be missing, and whatever is wrong with it.</summary>
    public Checks OptionalPart(IPart? part, [CallerArgumentExpression(nameof(part))] string option = "")
    {
        part?.Check(new Checks(_failures, PathOf(option)));
        return this;
    }

    /// <summary>An option that is set and would change nothing beside the others.</summary>
    /// <param name="isIdle">Whether it is.</param>
    /// <param name="option">Its name.</param>
    /// <param name="because">Why it changes nothing, and what to do: "Reset is Zero, which clears everything. Leave it out."</param>
    public Checks NoEffect(bool isIdle, string option, string because) => Add(!isIdle, $"{PathOf(option)} has no effect: {because}");

    /// <summary>An option that does nothing beside the others is left at its default, so that nobody relies on it.</summary>
    /// <param name="isUsed">Whether it does something.</param>
    /// <param name="value">Its value.</param>
    /// <param name="unset">Its default.</param>
    /// <param name="why">Why it does nothing, as the rest of a sentence: "Density takes its place".</param>
    /// <param name="option">Its name.</param>
    public Checks Unused<T>(bool isUsed, T value, T unset, string why, [CallerArgumentExpression(nameof(value))] string option = "") =>
        NoEffect(!isUsed && !Equals(value, unset), option, $"{why}. Leave it out.");

    /// <summary>The path to an option, as messages begin.</summary>
    /// <param name="option">Its name, or the expression that reads it.</param>
    public string PathOf(string option) => $"{_path}.{option[(option.LastIndexOf('.') + 1)..]}";

    /// <summary>Any rule in words that say what to do: "MergeEvery must be a multiple of …". Within a part, the path to it goes before them,
    /// unless they begin with it.</summary>
    public Checks Require(bool holds, string failure) =>
        Add(holds, IsNested && !failure.StartsWith(_path, StringComparison.Ordinal) ? $"{_path}: {failure}" : failure);

    /// <summary>Several such sentences, all of them violations; those that stand there already are not repeated.</summary>
    public Checks Refuse(IEnumerable<string> failures)
    {
        foreach (var failure in failures.Where(failure => !_failures.Contains(failure)))
            Require(false, failure);
        return this;
    }

    private bool IsNested => _path.Contains('.');

    private Checks Range(bool holds, string option, object? value, string requirement) =>
        Add(holds, $"{PathOf(option)} is {Text(value)}: it must be {requirement}.");

    private Checks Add(bool holds, string failure)
    {
        if (!holds)
            _failures.Add(failure);
        return this;
    }

    private static string Limits(bool isOnTheRightSide) =>
        isOnTheRightSide ? $", and a number that float32 can be multiplied by: from {Text(Smallest)} to {Text(Largest)}" : "";

    private static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;
}

/// <summary>Refused options, whose message is the sentences on them, one after the other.</summary>
internal sealed class RefusedOptions(string name, Type type, IEnumerable<string> failures) : OptionsValidationException(name, type, failures)
{
    public override string Message => string.Join(" ", Failures);
}
