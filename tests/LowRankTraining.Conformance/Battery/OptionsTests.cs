using System.Reflection;
using FluentAssertions;
using Xunit;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every strategy can be made with its defaults.</summary>
public class OptionsTests
{
    public static TheoryData<Type> Strategies =>
        [.. typeof(ILowRankStrategy).Assembly.GetExportedTypes().Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(ILowRankStrategy)))];

    [Theory, MemberData(nameof(Strategies))]
    public void Defaults_are_valid(Type strategy)
    {
        var make = () => (ILowRankStrategy)strategy.GetConstructors().Single().Invoke([null]);

        make.Should().NotThrow().Which.Name.Should().MatchRegex("^[a-z0-9.-]+$");
    }

    [Theory, MemberData(nameof(Strategies))]
    public void Battery_runs_every_strategy(Type strategy) =>
        Methods.ByName.Keys.Select(name => Methods.Make(name).GetType()).Should().Contain(strategy);
}
