using LowRankTraining.ByteCounting;
using LowRankTraining.Numerics;
using Xunit;

namespace LowRankTraining.Conformance.Battery;

/// <summary>A fact about bytes of CPU tensors; skipped, by name, where nothing counts them.</summary>
internal sealed class CountedFactAttribute : FactAttribute
{
    public CountedFactAttribute() => Skip = Absence;

    /// <value>Why bytes cannot be counted; null where they can.</value>
    internal static string? Absence { get; } = TestDevice.Current.type.IsHere() ? ByteCounter.Absence : "Only bytes of the CPU's own passes are counted.";
}

/// <summary>The same for a theory.</summary>
internal sealed class CountedTheoryAttribute : TheoryAttribute
{
    public CountedTheoryAttribute() => Skip = CountedFactAttribute.Absence;
}
