using Microsoft.Extensions.Logging;

namespace LowRankTraining.Tests.Mixing;

/// <summary>Keeps what is logged.</summary>
internal sealed class Lines : List<string>, ILogger
{
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Add(formatter(state, exception));
}
