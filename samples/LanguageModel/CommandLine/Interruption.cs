using System.Runtime.InteropServices;

namespace LanguageModel.CommandLine;

/// <summary>Turns the first Ctrl-C, or request to terminate, into a wish to stop; a second one ends the process at once.</summary>
public sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration interrupt;
    private readonly PosixSignalRegistration terminate;

    /// <summary>Listens from now on.</summary>
    public Interruption()
    {
        interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    }

    /// <value>Cancelled when it is time to stop.</value>
    public CancellationToken Token => source.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        interrupt.Dispose();
        terminate.Dispose();
        source.Dispose();
    }

    private void Stop(PosixSignalContext signal)
    {
        signal.Cancel = !source.IsCancellationRequested;
        source.Cancel();
    }
}
