using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace LowRankTraining.Conformance.Runner;

/// <summary>Runs the tests of an assembly in this process, where there is no <c>dotnet test</c>, and says what failed.</summary>
/// <param name="filter">Only tests whose name contains it, in any case; null for all.</param>
internal sealed class TestRun(string? filter)
{
    /// <returns>The exit code: 0 when at least one test ran and none failed.</returns>
    public int Of(Assembly assembly)
    {
        var options = new RunnerOptions();
        using var found = new Discovery();
        using var results = new Results(Console.Out);
        using var framework = new XunitTestFramework(results);

        framework.GetDiscoverer(Reflector.Wrap(assembly)).Find(includeSourceInformation: false, found, options);
        found.Wait();

        framework.GetExecutor(assembly.GetName()).RunTests(found.Cases.Where(IsWanted), results, options);
        results.Wait();

        Console.WriteLine($"{results.Passed} passed, {results.Failed} failed, {results.Skipped} skipped");
        return results is { Passed: > 0, Failed: 0 } ? 0 : 1;
    }

    private bool IsWanted(ITestCase test) => filter is null || test.DisplayName.Contains(filter, StringComparison.OrdinalIgnoreCase);
}
