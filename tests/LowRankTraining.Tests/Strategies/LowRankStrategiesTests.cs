using FluentAssertions;
using LowRankTraining.Strategies;
using Xunit;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Methods by name.</summary>
public class LowRankStrategiesTests
{
    public static TheoryData<string> Names => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Theory, MemberData(nameof(Names))]
    public void Row_makes_the_method_of_its_name(string name) => LowRankStrategies.Create(name).Name.Should().Be(name);

    [Fact]
    public void Case_of_a_name_does_not_matter() => LowRankStrategies.Create("Fira").Should().Be(new Fira());

    [Theory]
    [InlineData("firra", "fira")]
    [InlineData("re-lora", "relora")]
    [InlineData("q_galore", "q-galore")]
    public void Name_that_is_not_there_is_refused_with_the_nearest_first(string name, string nearest) =>
        FluentActions.Invoking(() => LowRankStrategies.Create(name)).Should().Throw<ArgumentException>()
            .WithMessage($"There is no method '{name}'. The nearest names are {nearest}, *");
}
