using Microsoft.Extensions.Options;

namespace LowRankTraining;

/// <summary>Refused options, whose message is the sentences on them, one after the other.</summary>
internal sealed class RefusedOptions(string name, Type type, IEnumerable<string> failures) : OptionsValidationException(name, type, failures)
{
    public override string Message => string.Join(" ", Failures);
}
