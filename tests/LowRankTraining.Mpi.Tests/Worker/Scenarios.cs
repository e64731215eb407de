using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Mpi.Tests.Worker;

/// <summary>Programs of several processes, each a few lines, as users write them.</summary>
internal static class Scenarios
{
    /// <summary>Every exchange, with numbers of every length.</summary>
    public static void Exchange(string[] args)
    {
        using var world = MpiWorld.Join(ref args);
        using var scope = NewDisposeScope();
        foreach (var type in new[] { ScalarType.Byte, ScalarType.BFloat16, ScalarType.Float16, ScalarType.Float32, ScalarType.Float64, ScalarType.Int64 })
        {
            var parts = arange(0, 2 * world.Size, ScalarType.Int64);
            var received = zeros(2 * world.Size, type);
            world.AllToAll((parts + 2 * world.Size * world.Rank).to(type), received);
            Expect(received,
                Enumerable.Range(0, world.Size).SelectMany(rank => new long[] { 0, 1 }.Select(at => at + 2 * world.Rank + 2L * world.Size * rank)));

            var all = zeros(3 * world.Size, type);
            world.AllGather((arange(0, 3, ScalarType.Int64) + 3 * world.Rank).to(type), all);
            Expect(all, Enumerable.Range(0, 3 * world.Size).Select(number => (long)number));

            var one = full([5L], world.Rank, type);
            world.Broadcast(one, from: world.Size - 1);
            Expect(one, Enumerable.Repeat(world.Size - 1L, 5));
        }

        for (var (length, partner) = (0, world.Rank ^ 1); length < 2000 && partner < world.Size; length += 999)
        {
            var (sent, received) = (full([length], world.Rank, ScalarType.Float32), zeros(length));
            world.Exchange(sent, received, partner);
            Expect(received, Enumerable.Repeat((long)partner, length));
        }

        var many = full([1003L], world.Rank + 1, ScalarType.Float32);
        ((ICollective)world).AllReduce(many);
        Expect(many, Enumerable.Repeat(world.Size * (world.Size + 1L) / 2, 1003));
        var sum = full([7L], world.Rank + 1, ScalarType.BFloat16);
        ((ICollective)world).AllReduce(sum);
        Expect(sum, Enumerable.Repeat(world.Size * (world.Size + 1L) / 2, 7));
        Say(world, LengthOf(null) is null ? "exchanged" : "null has a length");
    }

    /// <summary>Trains, and says what the weights are in the end.</summary>
    public static void Train(string[] args, string method, int lanes, GradientFlow gradients = GradientFlow.Whole)
    {
        using var world = MpiWorld.Join(ref args, lanes);
        using var run = new Run(method, world, gradients: gradients);
        run.Steps(1, Run.Last);
        Say(world, run.Weights);
    }

    /// <summary>Trains with gradients that are projected in the backward pass, in messages of more than a megabyte.</summary>
    public static void SendEarly(string[] args, bool sendsInBackward)
    {
        using var world = MpiWorld.Join(ref args);
        using var run = new Run("galore", world, Run.NewModel(hidden: 100_000), GradientFlow.Projected);
        run.Optimizer.SendsInBackward = sendsInBackward;
        run.Steps(1, Run.Middle);
        var before = run.Optimizer.BytesSent;
        run.Backward(Run.Middle + 1);
        if (sendsInBackward && world.Background is not null && !SpinWait.SpinUntil(() => run.Optimizer.BytesSent > before + 1_000_000, TimeSpan.FromMinutes(1)))
            throw new InvalidOperationException("Nothing was sent before the step.");
        run.Optimizer.step();
        Say(world, run.Weights);
    }

    /// <summary>Trains and saves on the way, every process as the others.</summary>
    public static void Save(string[] args, string folder, int lanes)
    {
        using var world = MpiWorld.Join(ref args, lanes);
        using var run = new Run("galore", world);
        run.Steps(1, Run.Middle);
        TrainingCheckpoint.Save(folder, run.Model, run.Optimizer);
        run.Steps(Run.Middle + 1, Run.Last);
        Say(world, run.Weights);
    }

    /// <summary>Goes on from there.</summary>
    public static void Resume(string[] args, string folder, int lanes)
    {
        using var world = MpiWorld.Join(ref args, lanes);
        using var run = new Run("galore", world);
        var completed = (int)TrainingCheckpoint.Load(folder, run.Model, run.Optimizer);
        run.Steps(completed + 1, Run.Last);
        Say(world, run.Weights);
    }

    /// <summary>The first process cannot write its checkpoint: in the place of the folder above it stands a file.</summary>
    public static void FailToSave(string[] args, string folder, bool catches)
    {
        using var world = MpiWorld.Join(ref args, lanes: 4);
        using var run = new Run("galore", world);
        var blocked = Path.Combine(folder, "blocked");
        if (world.IsFirst)
            File.WriteAllText(blocked, "");
        run.Steps(1, Run.Middle);
        try
        {
            TrainingCheckpoint.Save(Path.Combine(blocked, "run"), run.Model, run.Optimizer);
        }
        catch (IOException) when (catches && world.IsFirst)
        {
        }

        run.Steps(Run.Middle + 1, Run.Last);
        Say(world, run.Weights);
    }

    /// <summary>One process fails, and nobody catches it.</summary>
    public static void Throw(string[] args)
    {
        using var world = MpiWorld.Join(ref args);
        if (world.Rank == 1)
            throw new InvalidDataException("Row 17 of the data is damaged.");
        Wait(world);
    }

    /// <summary>The same in a program that catches everything, and has left the block of the world by then.</summary>
    public static int Catch(string[] args)
    {
        try
        {
            Throw(args);
            return 0;
        }
        catch (InvalidDataException)
        {
            return 1;
        }
    }

    /// <summary>One process leaves without a word.</summary>
    public static void Exit(string[] args)
    {
        using var world = MpiWorld.Join(ref args);
        if (world.Rank == 1)
            System.Environment.Exit(3);
        Wait(world);
    }

    /// <summary>One process is killed.</summary>
    public static void Kill(string[] args)
    {
        using var world = MpiWorld.Join(ref args);
        if (world.Rank == 1)
            System.Diagnostics.Process.GetCurrentProcess().Kill();
        Wait(world);
    }

    /// <summary>One process has another rank of the subspace.</summary>
    public static void DifferentOptions(string[] args)
    {
        using var world = MpiWorld.Join(ref args);
        using var model = Run.NewModel();
        using var optimizer = new GaLore { Rank = 4 + world.Rank }.Attach(model).CreateOptimizer(lr: 0.01, world);
    }

    /// <summary>A weight of one process changes.</summary>
    public static void DifferentWeights(string[] args)
    {
        using var world = MpiWorld.Join(ref args);
        using var run = new Run("galore", world);
        run.Optimizer.CompareEvery = 2;
        run.Steps(1, 2);
        if (world.Rank == 1)
            using (no_grad())
                run.Model.state_dict()["second.weight"][0, 0].add_(1e-3);
        run.Steps(3, 4);
    }

    /// <summary>Null where .NET finds a null reference, by a signal that native libraries must leave to it.</summary>
    private static int? LengthOf(string? text)
    {
        try
        {
            return text!.Length;
        }
        catch (NullReferenceException)
        {
            return null;
        }
    }

    private static void Wait(MpiWorld world)
    {
        using var numbers = zeros(1);
        while (true)
            ((ICollective)world).AllReduce(numbers);
    }

    private static void Expect(Tensor tensor, IEnumerable<long> expected)
    {
        var found = tensor.to(ScalarType.Int64).data<long>().ToArray();
        if (!found.SequenceEqual(expected))
            throw new InvalidOperationException($"{tensor.dtype}: {string.Join(", ", found)}");
    }

    private static void Say(MpiWorld world, string text)
    {
        if (world.IsFirst)
            Console.WriteLine(text);
    }
}
