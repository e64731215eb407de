using Microsoft.Extensions.Options;

namespace LowRankTraining;

/// <summary>Lets the options framework check a method: <c>services.AddSingleton&lt;IValidateOptions&lt;Fira&gt;,
/// OptionsValidator&lt;Fira&gt;&gt;()</c>.</summary>
/// <typeparam name="TPart">The method or part.</typeparam>
public sealed class OptionsValidator<TPart> : IValidateOptions<TPart> where TPart : class, IPart
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, TPart options) =>
        Checks.Of(options) is { Count: > 0 } failures ? ValidateOptionsResult.Fail(failures) : ValidateOptionsResult.Success;
}
