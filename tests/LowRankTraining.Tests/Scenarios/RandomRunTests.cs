using System.Globalization;
using FluentAssertions;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>Methods with several options changed at once, in runs in which everything happens that may: what is saved and loaded goes on bit for bit, weights
/// stay finite, state is no more than planned, the finished model computes what it did, and what is saved goes on in another precision too.</summary>
/// <remarks>LRT_SCENARIOS runs more of them (default 150), LRT_SCENARIO_SEED begins elsewhere.</remarks>
public class RandomRunTests(ITestOutputHelper output)
{
    private static readonly int Count = Setting("LRT_SCENARIOS", 150), First = Setting("LRT_SCENARIO_SEED", 0);

    [Fact]
    public void Any_run_keeps_what_is_promised_of_all() => RequireNone(Count, Fault);

    [Fact]
    public void Any_run_has_the_same_bits_in_one_process_and_in_two() => RequireNone(Count / 3, FaultOfProcesses);

    private void RequireNone(int count, Func<ILowRankStrategy, RandomScript, string?> faultOf)
    {
        List<string> faults = [];
        var (runs, refused) = (0, 0);
        for (var seed = First; seed < First + count; seed++)
        {
            var random = new Random(seed);
            var (method, script) = (new RandomMethod(random).Draw(() => new Strategies.OptionTrial.Small()), RandomScript.Draw(random));
            try
            {
                if (faultOf(method, script) is { } fault)
                    faults.Add($"{seed}: {fault}\n{method}\n{script}");
                runs++;
            }
            catch (Exception refusal) when (refusal is NotSupportedException or ArgumentException || IsPassedBy(refusal))
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
            if (!whole.Bits.AsSpan().SequenceEqual(interrupted.Bits))
                return "the interrupted run goes on differently";
            return whole.FaultOfFinish() ?? FaultOfOtherPrecision(method, script, folder.Path);
        }
        catch (Exception exception) when (exception is not NotSupportedException && !IsPassedBy(exception))
        {
            return exception.ToString();
        }
    }

    /// <summary>What is saved goes on in another precision, differently, but it goes on.</summary>
    private static string? FaultOfOtherPrecision(ILowRankStrategy method, RandomScript script, string folder)
    {
        var other = script.Dtype switch
        {
            ScalarType.Float32 => script.Interrupted % 2 == 0 ? ScalarType.BFloat16 : ScalarType.Float64,
            _ => ScalarType.Float32,
        };
        using var run = new RandomRun(method, script with { ResumedAs = other }, folder);
        try
        {
            run.Train(isInterrupted: true);
        }
        catch (ArgumentException refusal) when (refusal.Message.StartsWith("Weights are kept in", StringComparison.Ordinal))
        {
            return null;
        }

        return run.IsFinite ? null : $"weights are not finite in {other}";
    }

    private static string? FaultOfProcesses(ILowRankStrategy method, RandomScript script)
    {
        try
        {
            // Under Stepped two have other micro-batches than one.
            var whole = RandomRun.InProcesses(script.Flow == GradientFlow.Stepped ? 2 : 1, method, script, isInterrupted: false);
            return whole.AsSpan().SequenceEqual(RandomRun.InProcesses(2, method, script, isInterrupted: true)) ? null
                : "two processes, interrupted, go on differently";
        }
        catch (Exception exception) when (exception is not (NotSupportedException or ArgumentException) && !IsPassedBy(exception))
        {
            return exception.ToString();
        }
    }

    /// <summary>What is said where hooks are asked for, and the model runs layers past them.</summary>
    private static bool IsPassedBy(Exception exception) => exception.Message.StartsWith("The model has not run", StringComparison.Ordinal);

    /// <summary>The first parameter whose state is more than what was planned.</summary>
    private static string? Unplanned(LowRankOptimizer optimizer)
    {
        var planned = MemoryPlan.For(optimizer.Session).Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.StateBytes);
        foreach (var plan in optimizer.Session.Parameters.Where(plan => planned.ContainsKey(plan.Name)))
            if (optimizer.StateOf(plan.Parameter) is var state && state.Bytes > planned[plan.Name])
                return $"'{plan.Name}' has {state.Bytes} bytes of state, planned {planned[plan.Name]}: "
                    + string.Join(", ", state.Tensors.Select(slot => $"{slot.Key} {slot.Value.dtype} [{string.Join(" ", slot.Value.shape)}]"));
        return null;
    }

    private static int Setting(string name, int unset) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : unset;
}
