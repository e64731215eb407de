using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;

namespace LowRankTraining.Tests.Adapters;

public class LayerPatternTests
{
    [Theory]
    [InlineData("first", 2, 4)]
    [InlineData("first.weight", 2, 4)]
    [InlineData(@"sec.*", 4, 2)]
    [InlineData(@"first|second", 2, 2)]
    [InlineData(@"fir", 4, 4, false)]
    [InlineData(@"irst", 4, 4, false)]
    public void Pattern_is_a_name_or_a_regular_expression_of_the_whole(string pattern, int first, int second, bool matches = true)
    {
        using var model = new OpenNetwork();
        var attach = () => new LoRA { Rank = 4, RankPattern = new Dictionary<string, int> { [pattern] = 2 } }.Attach(model);

        if (matches)
        {
            using var session = attach();
            session.Layers.Select(layer => layer.Rank).Should().Equal(first, second);
        }
        else
        {
            attach.Should().Throw<ArgumentException>()
                .WithMessage($"'{pattern}'*matches none of the adapted layers (first, second). The nearest names are first, second.*Nothing was changed*");
            model.state_dict().Keys.Should().NotContain(name => name.Contains("lora"));
        }
    }

    [Fact]
    public void End_of_a_name_counts_from_a_dot_on_and_the_first_pattern_goes_first()
    {
        using var model = new Twice();
        using var session =
            new LoRA { Rank = 4, RankPattern = new Dictionary<string, int> { ["one.second"] = 1, ["second"] = 3, ["two.second"] = 2 } }.Attach(model);

        session.Layers.Select(layer => (layer.Name, layer.Rank)).Should()
            .Equal(("one.first.weight", 4), ("one.second.weight", 1), ("two.first.weight", 4), ("two.second.weight", 3));
    }

    [Theory]
    [InlineData("(a+)+!"), InlineData("(.*)*!"), InlineData("((a|aa)+)+!"), InlineData("(a?){30}a{30}!")]
    public void Pattern_with_very_many_ways_to_match_comes_to_an_end(string pattern) =>
        NamePattern.Matches(pattern, new string('a', 5000)).Should().BeFalse();

    [Theory]
    [InlineData("w.*", "layers.0.wq.weight", true)]
    [InlineData("w.*", "layers.0.proj.weight", false)]
    [InlineData(@"\w{6}", "proj.weight", false)]
    [InlineData("w.*", "rnn.weight_hh_l0", true)]
    [InlineData(@".*\.weight", "layers.0.proj.weight", true)]
    [InlineData("(q|k)_proj.weight", "layers.0.k_proj.weight", true)]
    public void Expression_is_for_modules_unless_it_names_the_weight(string pattern, string weight, bool matches) =>
        NamePattern.Matches(pattern, weight).Should().Be(matches);

    [Fact]
    public void Pattern_that_refers_back_is_given_up_after_a_while() => FluentActions
        .Invoking(() => NamePattern.Matches(@"(a*)*\1!", new string('a', 60))).Should().Throw<ArgumentException>().WithMessage("*more ways to match*");

    [Theory]
    [InlineData(""), InlineData("(["), InlineData("a{2,1}")]
    public void What_is_no_pattern_is_told_apart(string pattern) => NamePattern.IsValid(pattern).Should().BeFalse();

    [Fact]
    public void Pattern_longer_than_any_name_is_none() => NamePattern.IsValid($"({new string('a', 1000)})").Should().BeFalse();

    [Fact]
    public void Scale_follows_rank_and_alpha_of_the_layer()
    {
        using var model = new OpenNetwork();
        using var session = new LoRA
        {
            Rank = 4,
            Alpha = 8,
            RankStabilized = true,
            RankPattern = new Dictionary<string, int> { ["second"] = 9 },
            AlphaPattern = new Dictionary<string, double> { ["second"] = 6 },
        }.Attach(model);

        var layers = model.named_children().Select(child => child.module).OfType<LowRankLinear>().ToArray();
        layers.Select(layer => layer.Scale).Should().Equal(8 / Math.Sqrt(4), 6 / Math.Sqrt(9));
        layers.Select(layer => layer.Rank).Should().Equal(4, 9);
    }

    [Theory]
    [InlineData(Injection.Hook)]
    [InlineData(Injection.Shadow)]
    public void Every_way_in_knows_the_patterns(Injection injection)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer =
            new ReLoRA { Rank = 4, Alpha = 8, MergeEvery = 2, RankDecay = 0.5, Injection = injection,
                RankPattern = new Dictionary<string, int> { ["second"] = 8 } }
            .Attach(model).CreateOptimizer(0.01);

        ((AdapterSession)optimizer.Session).Layers.Select(layer => layer.Rank).Should().Equal(4, 8);
        Run(model, optimizer, 2);
        ((AdapterSession)optimizer.Session).Layers.Select(layer => layer.Rank).Should().Equal(2, 4);
    }

    [Fact]
    public void Rank_above_a_short_side_is_lowered_by_pattern_too()
    {
        using var model = new OpenNetwork();
        using var session = new LoRA { Rank = 4, RankPattern = new Dictionary<string, int> { ["first"] = 100 } }.Attach(model);

        session.Layers[0].Rank.Should().Be(12);
        session.Parameters.Where(plan => plan.Note is not null).Select(plan => plan.Name).Should().Equal("first.lora_A", "first.lora_B");
        model.Invoking(_ => new LoRA { Rank = 4, Strict = true, RankPattern = new Dictionary<string, int> { ["first"] = 100 } }.Attach(new OpenNetwork()))
            .Should().Throw<ArgumentException>().WithMessage("*first.weight: rank 100 lowered to 12*");
    }

    [Fact]
    public void Wrong_patterns_are_listed_at_once()
    {
        var wrong = new LoRA
        {
            LearningRateRatio = 0,
            RankPattern = new Dictionary<string, int> { ["q"] = 0, ["(["] = 2 },
            AlphaPattern = new Dictionary<string, double> { ["q"] = -1 },
        };

        FluentActions.Invoking(() => Checks.Require(wrong)).Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(4)
            .And.Contain(failure => failure.Contains("'q' the rank 0")).And.Contain(failure => failure.Contains("'(['"));
    }

    private sealed class Twice : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly OpenNetwork one = new();
        private readonly OpenNetwork two = new();

        public Twice() : base(nameof(Twice)) => RegisterComponents();

        public override torch.Tensor forward(torch.Tensor input) => one.call(input);
    }
}
