namespace LanguageModel;

/// <summary>A mistake in what the user asked for; the message says what to do, and is all that is shown.</summary>
public sealed class UserException(string message) : Exception(message)
{
    /// <summary>Throws one error that names everything that is wrong.</summary>
    /// <param name="wrong">What is wrong with each option; null for those with which nothing is.</param>
    public static void ThrowIfAny(params IEnumerable<string?> wrong)
    {
        if (wrong.OfType<string>().ToArray() is { Length: > 0 } complaints)
            throw new UserException(string.Join("; ", complaints) + ".");
    }
}
