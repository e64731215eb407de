using System.Reflection;
using Xunit.Sdk;

namespace LowRankTraining.Conformance.Golden;

/// <summary>The names of all recorded cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GoldenCasesAttribute : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => GoldenFolder.Chosen.Names.Select(name => new object[] { name });
}
