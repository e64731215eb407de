using FluentAssertions;
using LanguageModel;
using LanguageModel.Methods;
using Xunit;

namespace LowRankTraining.Samples.Tests.Methods;

public class AllMethodsTests
{
    [Fact]
    public void Names_are_different() => AllMethods.List.Select(method => method.Name).Should().OnlyHaveUniqueItems();

    [Fact]
    public void Comparison_that_is_not_told_what_to_compare_stays_short() =>
        AllMethods.Usual.Select(method => method.Name).Should().Equal("adamw", "galore", "fira", "apollo", "relora", "lora");

    [Fact]
    public void Unknown_name_lists_the_known_ones()
    {
        var find = () => AllMethods.Find("gallore");

        find.Should().Throw<UserException>().WithMessage($"*'gallore'*{string.Join(", ", AllMethods.List.Select(method => method.Name))}*");
    }
}
