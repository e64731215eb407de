using System.Diagnostics;
using System.Globalization;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Endurance;

/// <summary><c>soak [STEPS]</c>: very many steps of a small model by each of five methods. Live tensors must not grow at all; open files and
/// resident memory not in the second half of the steps: the runtime and the allocator take their room in the first.</summary>
internal static class SoakCommand
{
    public const string Name = "soak";

    private const int Warmup = 2000;
    private const long MayGrow = 16 << 20;

    /// <summary>Files that the runtime opens for itself now and then: a leak would be one a step, or one a refresh.</summary>
    private const int MayOpen = 8;

    private static readonly (string Name, ILowRankStrategy Method)[] Methods =
    [
        ("galore, 8-bit states", new GaLore { Rank = 4, RefreshEvery = 50, States = StateFormat.Blockwise8Bit with { Threshold = 16 } }),
        ("fira", new Fira { Rank = 4, RefreshEvery = 50 }),
        ("apollo", new Apollo { Rank = 4, RefreshEvery = 50 }),
        ("lora with dropout", new LoRA { Rank = 4, Dropout = 0.1 }),
        ("relora", new ReLoRA { Rank = 4, MergeEvery = 100, Injection = Injection.Replace }),
    ];

    /// <returns>0 where nothing has grown; else 1.</returns>
    public static int Run(string[] arguments)
    {
        var steps = arguments is [var text, ..] ? long.Parse(text, CultureInfo.InvariantCulture) : 200_000;
        set_num_threads(1);
        Console.WriteLine($"| method | steps | µs per step | open files | live tensors | resident, MiB | |\n|---|---|---|---|---|---|---|");
        bool[] hold = [.. Methods.Select(method => Holds(method.Name, method.Method, steps))];
        return hold.All(holds => holds) ? 0 : 1;
    }

    private static bool Holds(string name, ILowRankStrategy method, long steps)
    {
        using var model = nn.Sequential(("first", nn.Linear(16, 24)), ("act", nn.Tanh()), ("second", nn.Linear(24, 8)));
        using var optimizer = method.Attach(model, Targets.AllLinear()).CreateOptimizer(1e-3);
        Train(model, optimizer, Warmup);

        var (before, start) = (Taken.Now(), Stopwatch.GetTimestamp());
        Train(model, optimizer, steps / 2);
        var middle = Taken.Now();
        Train(model, optimizer, steps - steps / 2);
        var (time, after) = (Stopwatch.GetElapsedTime(start), Taken.Now());

        var holds = after.Files <= middle.Files + MayOpen && after.Tensors <= before.Tensors && after.Resident - middle.Resident < MayGrow;
        string[] cells =
        [
            name, $"{steps}", $"{time.TotalMicroseconds / steps:F0}", $"{before.Files} → {middle.Files} → {after.Files}",
            $"{before.Tensors} → {middle.Tensors} → {after.Tensors}", $"{before.Resident >> 20} → {middle.Resident >> 20} → {after.Resident >> 20}",
            holds ? "flat" : "grows",
        ];
        Console.WriteLine($"| {string.Join(" | ", cells)} |");
        return holds;
    }

    private static void Train(nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer, long steps)
    {
        for (var step = 0L; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var input = randn(4, 16);
            (model.call(input) - input.narrow(1, 0, 8)).square().mean().backward();
            optimizer.step();
        }
    }

    /// <summary>What the process holds when everything that can be freed is.</summary>
    private readonly record struct Taken(int Files, long Tensors, long Resident)
    {
        public static Taken Now()
        {
            for (var pass = 0; pass < 3; pass++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }

            using var process = Process.GetCurrentProcess();
            var files = Directory.Exists("/proc/self/fd") ? Directory.GetFiles("/proc/self/fd").Length : process.HandleCount;
            return new(files, Tensor.TotalCount, process.WorkingSet64);
        }
    }
}
