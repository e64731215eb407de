using Xunit;
using Xunit.Abstractions;

namespace LowRankTraining.Conformance.Runner;

/// <summary>Collects the tests of an assembly.</summary>
internal sealed class Discovery : LongLivedMarshalByRefObject, IMessageSink, IDisposable
{
    private readonly ManualResetEventSlim _finished = new();
    private readonly List<ITestCase> _cases = [];

    public IReadOnlyList<ITestCase> Cases => _cases;

    public bool OnMessage(IMessageSinkMessage message)
    {
        if (message is ITestCaseDiscoveryMessage test)
            _cases.Add(test.TestCase);
        if (message is IDiscoveryCompleteMessage)
            _finished.Set();
        return true;
    }

    public void Wait() => _finished.Wait();

    public void Dispose() => _finished.Dispose();
}
