using Xunit;

namespace LowRankTraining.Conformance.Battery;

/// <summary>A fact about bytes of CPU tensors; skipped, by name, where nothing counts them.</summary>
internal sealed class CountedFactAttribute : FactAttribute
{
    public CountedFactAttribute() => Skip = ByteCounter.Absence;
}

/// <summary>The same for a theory.</summary>
internal sealed class CountedTheoryAttribute : TheoryAttribute
{
    public CountedTheoryAttribute() => Skip = ByteCounter.Absence;
}
