using LowRankTraining.Numerics;

namespace LowRankTraining.Tests.Numerics;

internal static class CodeTables
{
    public static CodeTable Named(string name) => (CodeTable)typeof(CodeTable).GetProperty(name)!.GetValue(null)!;
}
