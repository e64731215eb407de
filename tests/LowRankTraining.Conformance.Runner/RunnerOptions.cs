using Xunit.Abstractions;

namespace LowRankTraining.Conformance.Runner;

/// <summary>Tests one after the other, as <c>xunit.runner.json</c> has it, because the byte counter counts everything that the process holds.</summary>
internal sealed class RunnerOptions : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
{
    private readonly Dictionary<string, object?> _values = new() { ["xunit.execution.DisableParallelization"] = true };

    public TValue GetValue<TValue>(string name) => _values.GetValueOrDefault(name) is TValue value ? value : default!;

    public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
}
