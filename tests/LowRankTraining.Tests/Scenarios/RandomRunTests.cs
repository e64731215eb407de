using System.Globalization;
using FluentAssertions;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>Methods with several options changed at once, in runs in which everything happens that may: what is saved and loaded goes on bit for bit, weights
/// stay finite, state is no more than planned, and nothing is left behind.</summary>
/// <remarks>LRT_SCENARIOS runs more of them (default 150), LRT_SCENARIO_SEED begins elsewhere.</remarks>
public class RandomRunTests(ITestOutputHelper output)
{
    private static readonly int Count = Setting("LRT_SCENARIOS", 150), First = Setting("LRT_SCENARIO_SEED", 0);

    [Fact]
    public void Any_run_keeps_what_is_promised_of_all() => RequireNone(Count, First, Fault);

    [Fact]
    public void Any_run_has_the_same_bits_in_one_process_and_in_two() => RequireNone(Count / 3, First, FaultOfProcesses);

    private void RequireNone(int count, int first, Func<ILowRankStrategy, RandomScript, string?> faultOf)
    {
        List<string> faults = [];
        var (runs, refused) = (0, 0);
        for (var seed = first; seed < first + count; seed++)
        {
            var random = new Random(seed);
            var (method, script) = (new RandomMethod(random).Draw(() => new Strategies.OptionTrial.Small()), RandomScript.Draw(random));
            try
            {
                if (faultOf(method, script) is { } fault)
                    faults.Add($"{seed}: {fault}\n{method}\n{script}");
                runs++;
            }
            catch (Exception refusal) when (refusal is NotSupportedException or ArgumentException)
            {
                refused++;
            }
        }

        output.WriteLine($"{runs} runs, {refused} refused");
        string.Join("\n\n", faults).Should().BeEmpty();
    }

    private static string? Fault(ILowRankStrategy method, RandomScript script)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryDirectory();
        using var whole = new RandomRun(method, script, folder.Path);
        using var interrupted = new RandomRun(method, script, folder.Path);
        try
        {
            whole.Train(isInterrupted: false);
            if (!whole.IsFinite)
                return "weights are not finite";
            if (script.Dtype != ScalarType.Float64 && Unplanned(whole.Optimizer) is { } unplanned)
                return unplanned;
            interrupted.Train(isInterrupted: true);
            return whole.Bits.AsSpan().SequenceEqual(interrupted.Bits) ? null : "the interrupted run goes on differently";
        }
        catch (Exception exception) when (exception is not NotSupportedException)
        {
            return exception.ToString();
        }
    }

    private static string? FaultOfProcesses(ILowRankStrategy method, RandomScript script)
    {
        try
        {
            return Processes(1, method, script, isInterrupted: false).AsSpan().SequenceEqual(Processes(2, method, script, isInterrupted: true)) ? null
                : "two processes, interrupted, go on differently";
        }
        catch (Exception exception) when (exception is not (NotSupportedException or ArgumentException))
        {
            return exception.ToString();
        }
    }

    /// <summary>The model that so many processes have in the end, the first of them; they compare their weights after each step.</summary>
    private static byte[] Processes(int count, ILowRankStrategy method, RandomScript script, bool isInterrupted)
    {
        using var folder = new TemporaryDirectory();
        byte[] bits = [];
        InProcessWorld.Run(count, world =>
        {
            using var scope = NewDisposeScope();
            using var run = new RandomRun(method, script, folder.Path, world);
            run.Optimizer.CompareEvery = 1;
            run.Train(isInterrupted);
            if (world.Rank == 0)
                bits = run.ModelBits;
        }, lanes: 4);
        return bits;
    }

    /// <summary>The first parameter whose state is more than what was planned.</summary>
    private static string? Unplanned(LowRankOptimizer optimizer)
    {
        var planned = MemoryPlan.For(optimizer.Session).Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.StateBytes);
        foreach (var plan in optimizer.Session.Parameters.Where(plan => planned.ContainsKey(plan.Name)))
            if (optimizer.For(plan.Parameter) is var state && state.Bytes > planned[plan.Name])
                return $"'{plan.Name}' has {state.Bytes} bytes of state, planned {planned[plan.Name]}: "
                    + string.Join(", ", state.Tensors.Select(slot => $"{slot.Key} {slot.Value.dtype} [{string.Join(" ", slot.Value.shape)}]"));
        return null;
    }

    private static int Setting(string name, int unset) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : unset;
}
