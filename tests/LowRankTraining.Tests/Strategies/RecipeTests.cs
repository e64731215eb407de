using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class RecipeTests
{
    [Fact]
    public void Recipe_gives_matrices_one_rule_and_everything_else_another()
    {
        using var model = nn.Linear(12, 20);
        var (matrices, others) = (new SubspaceRule { Rank = 4 }, new SgdRule());

        using var session = Recipe.Of("contoso.own", matrices, others, seed: 7).Attach(model);

        session.Strategy.Should().Be("contoso.own");
        session.Seed.Should().Be(7);
        session.Parameters.ToDictionary(plan => plan.Name, plan => plan.Rule).Should()
            .Equal(new Dictionary<string, UpdateRule> { ["weight"] = matrices, ["bias"] = others });
    }

    [Fact]
    public void Contradictions_of_a_recipe_are_listed()
    {
        var make = () => Recipe.Of("contoso.own", new SubspaceRule
        {
            Rank = 0,
            Basis = new GaussianBasis(),
            Lift = new ScaledResidual(),
            Feedback = StateFormat.Float32,
        });

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(3);
    }

    [Fact]
    public void Numbers_of_all_parts_of_a_recipe_are_looked_at()
    {
        var make = () => Recipe.Of("contoso.own", new SubspaceRule
        {
            Rank = 4,
            Density = 2,
            Refresh = new PeriodicRefresh { Every = 0 },
            Basis = new RandomizedSvdBasis { Oversampling = -1 },
            Guard = new SpikeGuard { ResetEvery = -1 },
        });

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(4);
    }

    [Theory]
    [InlineData("")]
    [InlineData("My Method")]
    public void Name_with_other_characters_is_refused(string name)
    {
        var make = () => Recipe.Of(name, new AdamRule());

        make.Should().Throw<OptionsValidationException>().WithMessage("*lower-case*");
    }
}
