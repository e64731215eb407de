using FluentAssertions;
using LanguageModel;
using LanguageModel.Model;
using Xunit;

namespace LowRankTraining.Samples.Tests.Model;

public class LlamaConfigTests
{
    [Theory]
    [InlineData("60m", 58.07, 25.30)]
    [InlineData("130m", 134.11, 84.93)]
    [InlineData("250m", 247.37, 198.18)]
    [InlineData("350m", 367.97, 302.38)]
    [InlineData("1b", 1339.08, 1207.91)]
    [InlineData("3b", 2685.83, 2521.83)]
    [InlineData("7b", 6738.42, 6476.01)]
    public void Sizes_are_those_of_the_papers(string name, double millions, double millionsInProjections)
    {
        var config = LlamaConfigs.Find(name);

        (config.Parameters / 1e6).Should().BeApproximately(millions, 0.005);
        (config.ProjectionParameters / 1e6).Should().BeApproximately(millionsInProjections, 0.005);
    }

    [Fact]
    public void Heads_divide_every_width_into_even_parts() =>
        LlamaConfigs.All.Should().OnlyContain(config => config.Hidden % config.Heads == 0 && config.HeadDimension % 2 == 0);

    [Fact]
    public void Name_may_be_in_any_case() => LlamaConfigs.Find("7B").Hidden.Should().Be(4096);

    [Fact]
    public void Unknown_name_lists_the_known_ones()
    {
        var find = () => LlamaConfigs.Find("9g");

        find.Should().Throw<UserException>().WithMessage("*'9g'*tiny, 9m, 20m, 35m, 40m, 60m, 71m, 100m, 130m, 250m, 350m, 1b, 3b, 7b*");
    }
}
