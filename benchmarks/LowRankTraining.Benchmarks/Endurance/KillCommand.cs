using System.Diagnostics;
using System.Globalization;
using LowRankTraining.Checkpoints;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Endurance;

/// <summary><c>kill [TIMES]</c>: a program that trains and saves at every step is killed (SIGKILL) at any moment, goes on from its checkpoint, and is killed
/// again. No checkpoint may be lost or unloadable, no step may be lost that was saved, and the next save must leave nothing behind.</summary>
internal static class KillCommand
{
    public const string Name = "kill", SaverName = "kill-saver";

    /// <returns>0 where nothing was lost; else 1.</returns>
    public static int Run(string[] arguments)
    {
        var times = arguments is [var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 1000;
        var folder = Directory.CreateTempSubdirectory("lowrank-kill-").FullName;
        var moment = new Random(1);
        var (faults, last, unfinished) = (0, 0L, 0);
        for (var time = 1; time <= times; time++)
        {
            using (var saver = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. Own, SaverName, folder]) { RedirectStandardOutput = true })!)
            {
                saver.StandardOutput.ReadLine();
                Thread.Sleep(moment.Next(60));
                saver.Kill();
                saver.WaitForExit();
            }

            unfinished += Directory.GetFiles(folder, "*.tmp").Length;
            try
            {
                using var run = new Trainee();
                var step = run.Load(folder);
                if (step <= last)
                    throw new InvalidDataException($"the checkpoint is of step {step}, and {last} was saved before.");
                last = step;
            }
            catch (Exception fault)
            {
                faults++;
                Console.WriteLine($"kill {time}: {fault.Message}");
            }

            if (time % 100 == 0 && time < times)
                Console.WriteLine($"{time} kills, {last} steps saved; {faults} checkpoints lost or unloadable so far");
        }

        using (var run = new Trainee())
        {
            run.Load(folder);
            run.Save(folder);
        }

        var orphans = Directory.GetFiles(folder, "*.tmp").Length;
        Console.WriteLine(
            $"{times} kills, {last} steps saved, {unfinished} unfinished files seen after kills; {faults} checkpoints lost or unloadable, {orphans} files "
                + $"left after the next save");
        Directory.Delete(folder, recursive: true);
        return faults + orphans == 0 ? 0 : 1;
    }

    /// <summary>The program that is killed. It tells when its first checkpoint is there.</summary>
    public static void Save(string folder)
    {
        using var run = new Trainee();
        if (TrainingCheckpoint.Exists(folder))
            run.Load(folder);
        for (var first = true; ; first = false)
        {
            run.Step();
            run.Save(folder);
            if (first)
                Console.WriteLine("saving");
        }
    }

    private static string[] Own => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];

    private sealed class Trainee : IDisposable
    {
        private readonly Linear _model = nn.Linear(512, 512);
        private readonly LowRankOptimizer _optimizer;

        public Trainee()
        {
            set_num_threads(1);
            _optimizer = new GaLore { Rank = 16, States = StateFormat.Blockwise8Bit }.Attach(_model).CreateOptimizer(1e-3);
        }

        public void Step()
        {
            using var scope = NewDisposeScope();
            _optimizer.zero_grad();
            _model.call(randn(4, 512)).square().mean().backward();
            _optimizer.step();
        }

        public void Save(string folder) => TrainingCheckpoint.Save(folder, _model, _optimizer);

        public long Load(string folder) => TrainingCheckpoint.Load(folder, _model, _optimizer);

        public void Dispose()
        {
            _optimizer.Dispose();
            _model.Dispose();
        }
    }
}
