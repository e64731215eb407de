using FluentAssertions;
using Xunit;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every method can be made with its defaults, and the battery runs it.</summary>
public class OptionsTests
{
    public static TheoryData<string> All => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Theory, MemberData(nameof(All))]
    public void Defaults_are_valid(string name) => Checks.Of((IPart)LowRankStrategies.Create(name)).Should().BeEmpty();

    [Theory, MemberData(nameof(All))]
    public void Battery_runs_every_method(string name) =>
        Methods.ByName.Keys.Select(key => Methods.Make(key).GetType()).Should().Contain(LowRankStrategies.Create(name).GetType());
}
