using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using LowRankTraining.Benchmarks.Claims;
using LowRankTraining.Benchmarks.Endurance;
using LowRankTraining.Benchmarks.Figures;
using LowRankTraining.Benchmarks.Memory;
using LowRankTraining.Benchmarks.Tables;

if (args is ["figures", ..])
    return FiguresCommand.Run(args[1..]);
if (args is [AloneFigures.Command, var method])
{
    AloneFigures.Run(method);
    return 0;
}
if (args is [MemoryCommand.Name, ..])
    return MemoryCommand.Run(args[1..]);
if (args is [MemoryCommand.OneName, var run])
{
    MemoryCommand.RunOne(run);
    return 0;
}
if (args is [ClaimsCommand.Name, ..])
    return ClaimsCommand.Run(args[1..]);
if (args is [TablesCommand.Name, ..])
    return TablesCommand.Run(args[1..]);
if (args is [SoakCommand.Name, ..])
    return SoakCommand.Run(args[1..]);
if (args is [CollectCommand.Name, ..])
    return CollectCommand.Run(args[1..]);
if (args is [LargeCommand.Name, ..])
    return LargeCommand.Run(args[1..]);
if (args is [KillCommand.Name, ..])
    return KillCommand.Run(args[1..]);
if (args is [KillCommand.SaverName, var folder])
    KillCommand.Save(folder);

// In process: the native library stays where the build put it, and one thread pool serves all methods alike.
var config = DefaultConfig.Instance
    .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(40))
    .AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(2).WithIterationCount(10).WithInvocationCount(1).WithUnrollFactor(1))
    .HideColumns(Column.Error, Column.Job, Column.Toolchain, Column.InvocationCount, Column.UnrollFactor, Column.IterationCount, Column.WarmupCount);

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args.Length == 0 ? ["--filter", "*"] : args, config);
return 0;
