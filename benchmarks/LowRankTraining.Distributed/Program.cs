// How long gradients are on the wire: mpiexec.mpich -n 4 distributed [ROUNDS]. The report is a table, written by the first process.
using System.Diagnostics;
using System.Globalization;
using LowRankTraining;
using LowRankTraining.Distributed;
using LowRankTraining.Mpi;
using TorchSharp;
using static TorchSharp.torch;

const int bucket = 16 << 20;
set_num_threads(1);
using var world = MpiWorld.Join(ref args);
ICollective collective = world;
var rounds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 10;

var whole = Payload.Whole(Payload.SixtyMillion);
var lowRank = Payload.Projected(Payload.SixtyMillion, rank: 64);

using Tensor buffer = zeros(8 << 18, ScalarType.Float32), sum = zeros_like(buffer);
var (ours, theirs) = (Times(() => collective.AllReduce(buffer)), Times(() => PlainAllReduce.Sum(buffer, sum)));
var (wholeTime, lowRankTime) = (Times(() => Send(whole)), Times(() => Send(lowRank)));

if (world.IsFirst)
{
    Console.WriteLine($"{world.Size} processes, {rounds} rounds, medians");
    Console.WriteLine();
    Console.WriteLine("| what | numbers | ms | MB/s sent by each |");
    Console.WriteLine("|---|---|---|---|");
    Row("8 MB by ICollective.AllReduce", buffer.numel(), ours);
    Row("8 MB by MPI_Allreduce", buffer.numel(), theirs);
    Row("60m, whole gradients", whole, wholeTime);
    Row("60m, GaLore of rank 64 between refreshes", lowRank, lowRankTime);
    Console.WriteLine();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ICollective.AllReduce has {theirs / ours:P0} of the bandwidth of MPI_Allreduce; "
        + $"GaLore is on the wire for {lowRankTime / wholeTime:0.00} of the time of whole gradients."));
}

void Row(string what, long numbers, double milliseconds) => Console.WriteLine(FormattableString.Invariant(
    $"| {what} | {numbers:N0} | {milliseconds:0.0} | {2.0 * (world.Size - 1) / world.Size * numbers * sizeof(float) / 1e3 / milliseconds:0} |"));

// Of all processes the slowest counts.
double Times(Action exchange)
{
    exchange();
    var times = new double[rounds];
    for (var round = 0; round < rounds; round++)
    {
        using var ready = zeros(1);
        collective.AllReduce(ready);
        var started = Stopwatch.GetTimestamp();
        exchange();
        times[round] = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    using var scope = NewDisposeScope();
    var all = zeros(world.Size * rounds, ScalarType.Float64);
    world.AllGather(tensor(times), all);
    return all.reshape(world.Size, rounds).amax(0).median().ToDouble();
}

// As the optimizer sends them: in buckets.
void Send(long numbers)
{
    using var numbersOfBucket = zeros(bucket / sizeof(float), ScalarType.Float32);
    for (; numbers > 0; numbers -= numbersOfBucket.numel())
    {
        using var part = numbersOfBucket.narrow(0, 0, Math.Min(numbers, numbersOfBucket.numel()));
        collective.AllReduce(part);
    }
}
