// How long gradients are on the wire: mpiexec.mpich -n 4 distributed [ROUNDS]; how much of that passes while the backward pass goes on:
// mpiexec.mpich -n 4 distributed steps [ROUNDS]. The report is a table, written by the first process.
using System.Globalization;
using LowRankTraining.Distributed;
using LowRankTraining.Mpi;
using static TorchSharp.torch;

set_num_threads(1);
using var world = MpiWorld.Join(ref args);
var (timesSteps, rounds) = (args is ["steps", ..], args.Length > 0 && int.TryParse(args[^1], CultureInfo.InvariantCulture, out var given) ? given : 10);
var report = timesSteps ? StepsReport.Of(world, rounds) : WireReport.Of(world, rounds);
if (world.IsFirst)
    Console.WriteLine(FormattableString.Invariant($"{world.Size} processes, {rounds} rounds, medians\n\n{report}"));
