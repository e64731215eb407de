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
