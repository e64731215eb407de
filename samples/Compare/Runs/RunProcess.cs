using System.ComponentModel;
using System.Diagnostics;
using LanguageModel.Data;
using LanguageModel.Training;

namespace Compare.Runs;

/// <summary>Does a run in a process of its own, so that its memory is its own and whatever happens to it happens to nothing else.</summary>
internal sealed class RunProcess : IDisposable
{
    private const string Warning = "warning: ";
    private const int LinesKept = 50;

    private readonly Process process;
    private readonly Queue<string> errorLines = new();

    private RunProcess(Process process)
    {
        this.process = process;
        process.ErrorDataReceived += (_, line) => KeepOrShow(line.Data);
        process.BeginErrorReadLine();
    }

    /// <summary>Runs <paramref name="request"/> and waits for what comes of it.</summary>
    /// <param name="start">The program to start.</param>
    /// <param name="request">The run.</param>
    /// <param name="corpus">The text to train and validate on.</param>
    /// <param name="stepped">Called after steps, not after all of them.</param>
    /// <param name="interruption">Stops the run after the step in progress.</param>
    public static RunOutcome Execute(ProcessStartInfo start, RunRequest request, TextCorpus corpus, Action<StepReport> stepped, CancellationToken interruption)
    {
        try
        {
            using var run = new RunProcess(Process.Start(start)!);
            return run.Converse(request, corpus, stepped, interruption);
        }
        catch (Win32Exception failure)
        {
            return RunOutcome.Failed(request.Seed, $"its process could not be started: {failure.Message}");
        }
    }

    /// <summary>Ends the process, if it still runs.</summary>
    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill(entireProcessTree: true);
        process.Dispose();
    }

    private RunOutcome Converse(RunRequest request, TextCorpus corpus, Action<StepReport> stepped, CancellationToken interruption)
    {
        Write(pipe => RunPipe.Send(pipe, request, corpus));
        using var stop = interruption.Register(() => Write(RunPipe.SendStop));

        RunOutcome? outcome = null;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            var message = RunMessage.Parse(line);
            if (message is RunMessage.Stepped step)
                stepped(step.Step);
            outcome ??= message switch
            {
                RunMessage.Ended ended => RunOutcome.Of(request.Seed, ended.Report),
                RunMessage.Refused refused => RunOutcome.Failed(request.Seed, refused.Reason),
                _ => null,
            };
        }

        process.WaitForExit();
        return outcome ?? (interruption.IsCancellationRequested
            ? RunOutcome.Stopped(request.Seed)
            : RunOutcome.Failed(request.Seed, ProcessEnd.Describe(process.ExitCode, [.. errorLines])));
    }

    /// <summary>A process that is gone does not read any more; its exit code will tell why.</summary>
    private void Write(Action<Stream> write)
    {
        try
        {
            write(process.StandardInput.BaseStream);
        }
        catch (IOException)
        {
        }
    }

    /// <summary>Warnings are shown at once; the rest is of interest only if the process does not come to its end.</summary>
    private void KeepOrShow(string? line)
    {
        if (line is null)
            return;

        if (line.StartsWith(Warning, StringComparison.Ordinal))
        {
            Console.Error.WriteLine(line);
            return;
        }

        errorLines.Enqueue(line);
        if (errorLines.Count > LinesKept)
            errorLines.Dequeue();
    }
}
