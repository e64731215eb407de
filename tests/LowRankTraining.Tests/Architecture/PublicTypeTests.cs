using FluentAssertions;
using Xunit;

namespace LowRankTraining.Tests.Architecture;

/// <summary>What users see stays small enough to know.</summary>
public class PublicTypeTests
{
    /// <summary>How many there may be. It only falls, toward 120.</summary>
    private const int Limit = 166;

    [Fact]
    public void Public_types_are_few() => typeof(ILowRankStrategy).Assembly.GetExportedTypes().Length.Should().BeLessThanOrEqualTo(Limit);
}
