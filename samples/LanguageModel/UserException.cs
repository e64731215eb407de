namespace LanguageModel;

/// <summary>A mistake in what the user asked for; the message says what to do, and is all that is shown.</summary>
public sealed class UserException(string message) : Exception(message);
