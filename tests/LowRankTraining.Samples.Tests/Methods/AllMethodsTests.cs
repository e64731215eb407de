using FluentAssertions;
using LanguageModel;
using LanguageModel.Methods;
using Xunit;

namespace LowRankTraining.Samples.Tests.Methods;

public class AllMethodsTests
{
    [Fact]
    public void Unknown_name_lists_the_known_ones()
    {
        var find = () => AllMethods.Find("gallore");

        find.Should().Throw<UserException>().WithMessage("*'gallore'*adamw, galore, fira, relora, lora*");
    }
}
