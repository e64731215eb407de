using Xunit;
using Xunit.Abstractions;

namespace LowRankTraining.Conformance.Runner;

/// <summary>Counts what became of the tests, and writes down every failure when it happens.</summary>
internal sealed class Results(TextWriter output) : LongLivedMarshalByRefObject, IMessageSink, IDisposable
{
    private readonly Lock _lock = new();
    private readonly ManualResetEventSlim _finished = new();

    public int Passed { get; private set; }

    public int Failed { get; private set; }

    public int Skipped { get; private set; }

    public bool OnMessage(IMessageSinkMessage message)
    {
        lock (_lock)
            Count(message);
        if (message is ITestAssemblyFinished)
            _finished.Set();
        return true;
    }

    public void Wait() => _finished.Wait();

    public void Dispose() => _finished.Dispose();

    private void Count(IMessageSinkMessage message)
    {
        if (message is ITestPassed)
            Passed++;
        else if (message is ITestSkipped)
            Skipped++;
        else if (message is IFailureInformation failure)
        {
            Failed++;
            output.WriteLine($"FAILED {(message as ITestMessage)?.Test.DisplayName ?? "outside a test"}");
            output.WriteLine(string.Join('\n', failure.Messages.Concat(failure.StackTraces)));
            output.WriteLine();
        }
    }
}
