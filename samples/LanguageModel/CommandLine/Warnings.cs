using Microsoft.Extensions.Logging;

namespace LanguageModel.CommandLine;

/// <summary>Shows the library's warnings on standard error.</summary>
public sealed class Warnings : ILogger
{
    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            Console.Error.WriteLine($"warning: {formatter(state, exception)}");
    }
}
