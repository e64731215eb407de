using FluentAssertions;
using Xunit;

namespace LowRankTraining.Conformance.Golden;

public class GoldenTests
{
    [Theory]
    [GoldenCases]
    public void Case_is_reproduced(string name)
    {
        var golden = GoldenFolder.Chosen.Case(name);

        var deviations = Replays.Of(golden);

        deviations.Should().NotBeEmpty("a case that compares nothing proves nothing");
        deviations.Where(deviation => !(deviation.Relative <= golden.Tolerance)).Should().BeEmpty(
            $"the case allows {golden.Tolerance:g2}, ten times what the authors' own code deviates under rounding-size noise");
    }
}
