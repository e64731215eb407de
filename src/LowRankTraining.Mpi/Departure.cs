using System.Runtime.InteropServices;
using MPI;

namespace LowRankTraining.Mpi;

/// <summary>Ends all processes when this one ends before it has left: they would wait for it without end.</summary>
internal sealed class Departure
{
    /// <summary>How long the launcher is given to pass a message on: of what it has not read when a process aborts, nothing is shown.</summary>
    private static readonly TimeSpan Reading = TimeSpan.FromMilliseconds(500);

    private readonly int _rank, _size;
    private Exception? _last;
    private bool _hasLeft;

    public Departure(int rank, int size)
    {
        (_rank, _size) = (rank, size);
        AppDomain.CurrentDomain.FirstChanceException += (_, thrown) => _last = thrown.Exception;
        AppDomain.CurrentDomain.UnhandledException += (_, thrown) => EndAll(thrown.ExceptionObject as Exception, code: 1);
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            if (!_hasLeft)
                EndAll(System.Environment.ExitCode == 0 ? null : _last, Math.Max(1, System.Environment.ExitCode));
        };
    }

    /// <summary>Says that this process leaves in order; ends all when an exception is on its way.</summary>
    public void Leave()
    {
        if (_hasLeft)
            return;
        if (Marshal.GetExceptionPointers() != 0)
            EndAll(_last, code: 1);
        _hasLeft = true;
    }

    private void EndAll(Exception? reason, int code)
    {
        _hasLeft = true;
        var sentence = reason is null ? "before it had left the others (dispose the world on all of them)" : $"by {reason.GetType().Name}: {reason.Message}";
        Console.Error.WriteLine($"Process {_rank} of {_size} has ended {sentence}{(sentence.EndsWith('.') ? "" : ".")} All others are ended with it.");
        Console.Error.Flush();
        Thread.Sleep(Reading);
        _ = Unsafe.MPI_Abort(Unsafe.MPI_COMM_WORLD, code);
    }
}
