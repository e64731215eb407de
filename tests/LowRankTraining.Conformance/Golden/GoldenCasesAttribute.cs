using System.Reflection;
using Xunit.Sdk;

namespace LowRankTraining.Conformance.Golden;

/// <summary>The names of the cases whose method is, or is not, in the library.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class GoldenCasesAttribute(bool covered) : DataAttribute
{
    public bool Covered { get; } = covered;

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        GoldenFolder.Cases.Where(golden => Replays.Covers(golden) == Covered).Select(golden => new object[] { golden.Name });
}
