using System.CommandLine;
using System.Diagnostics;
using System.Runtime.InteropServices;
using LanguageModel.CommandLine;
using LanguageModel.Training;

namespace Compare.Runs;

/// <summary>The process of a run: reads what to do from standard input, and tells how it goes on standard output.</summary>
internal static class RunWorker
{
    /// <summary>The command by which a comparison starts this program for a run.</summary>
    public const string Name = "one-run";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>The command, which people are not shown.</summary>
    public static Command Create()
    {
        var command = new Command(Name, "Does one run of a comparison; started by the program itself.") { Hidden = true };
        command.SetAction(_ => Execute());
        return command;
    }

    private static int Execute()
    {
        // Standard output is for messages alone; whatever else is written goes to standard error.
        using var output = new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true };
        Console.SetOut(Console.Error);

        // Ctrl-C goes to all processes of a terminal; what it means for the run is for the comparison to say.
        using var deaf = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        using var stop = new CancellationTokenSource();
        try
        {
            var pipe = Console.OpenStandardInput();
            var (request, corpus) = RunPipe.Receive(pipe);
            new Thread(() => RunPipe.Watch(pipe, stop.Cancel, EndAtOnce)) { IsBackground = true }.Start();

            var report = TrainingRun.Execute(request, corpus, Reporter(output, request.Steps), stop.Token);
            output.WriteLine(new RunMessage.Ended(report).ToLine());
            return 0;
        }
        catch (Exception failure) when (OneLine.Suffices(failure))
        {
            output.WriteLine(new RunMessage.Refused(OneLine.Of(failure)).ToLine());
            return SampleCommand.Failed;
        }
    }

    /// <summary>Not every step is worth a line; the first and the last are.</summary>
    private static Action<StepReport> Reporter(StreamWriter output, long steps)
    {
        var last = 0L;
        return step =>
        {
            if (last != 0 && Stopwatch.GetElapsedTime(last) < Pause && step.Step < steps)
                return;

            last = Stopwatch.GetTimestamp();
            output.WriteLine(new RunMessage.Stepped(step).ToLine());
        };
    }

    /// <summary>Nobody waits for the result any more, and there is nothing to tidy up: not even the step in progress is worth waiting for.</summary>
    private static void EndAtOnce()
    {
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}
