using System.Diagnostics;
using System.Globalization;
using LowRankTraining.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Endurance;

/// <summary><c>collect [SECONDS]</c>: training by every method while another thread does nothing but collect garbage, which frees at once whatever nothing
/// holds: an argument that native code still reads, say. Then a number is wrong, or the process dies.</summary>
internal static class CollectCommand
{
    public const string Name = "collect";

    private const int SaveEvery = 100;

    /// <summary>So large that no method leaves its matrices to Adam.</summary>
    private const int Inputs = 300, Hidden = 400;

    /// <returns>0 where every weight is what it is without collections; else 1.</returns>
    public static int Run(string[] arguments)
    {
        var seconds = arguments is [var text, ..] ? double.Parse(text, CultureInfo.InvariantCulture) : 5;
        set_num_threads(1);
        Console.WriteLine("| method | steps | collections meanwhile | |\n|---|---|---|---|");
        bool[] hold = [.. LowRankStrategies.All.Select(method => Holds(method, seconds))];
        return hold.All(holds => holds) ? 0 : 1;
    }

    private static bool Holds(LowRankMethod method, double seconds)
    {
        Console.Write($"| {method.Name} ");
        var (steps, weights, collections) = Train(method.Create(), long.MaxValue, seconds);
        var (_, calm, _) = Train(method.Create(), steps, seconds: 0);
        var holds = weights.SequenceEqual(calm);
        Console.WriteLine($"| {steps} | {collections} | {(holds ? "same bits" : "differs")} |");
        return holds;
    }

    /// <summary>As many steps, or as long, with collections meanwhile if it is long.</summary>
    private static (long Steps, float[] Weights, long Collections) Train(ILowRankStrategy method, long steps, double seconds)
    {
        manual_seed(1);
        using var model = nn.Sequential(("first", nn.Linear(Inputs, Hidden)), ("act", nn.Tanh()), ("second", nn.Linear(Hidden, Inputs)));
        using var optimizer = method.Attach(model, Targets.AllLinear()).CreateOptimizer(1e-3);
        var folder = Directory.CreateTempSubdirectory("lowrank-collect-").FullName;
        using var collector = seconds > 0 ? new Collector() : null;
        try
        {
            var (step, start) = (0L, Stopwatch.GetTimestamp());
            for (; step < steps && (seconds == 0 || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds); step++)
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                model.call(randn(4, Inputs)).sum().backward();
                optimizer.step();
                if (step % SaveEvery == SaveEvery / 2)
                {
                    TrainingCheckpoint.Save(folder, model, optimizer);
                    TrainingCheckpoint.Load(folder, model, optimizer);
                }
            }

            return (step, [.. model.parameters().SelectMany(parameter => parameter.data<float>())], collector?.Count ?? 0);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Collects until it is disposed.</summary>
    private sealed class Collector : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _ends;

        public Collector()
        {
            _thread = new(Collect) { IsBackground = true };
            _thread.Start();
        }

        public long Count { get; private set; }

        public void Dispose()
        {
            _ends = true;
            _thread.Join();
        }

        private void Collect()
        {
            for (; !_ends; Count++)
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        }
    }
}
