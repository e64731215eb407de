using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Factorized;

public class WeLoreTests
{
    [Theory]
    [InlineData(0.1)]
    [InlineData(0.37)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void Threshold_hits_the_ratio_within_a_thousandth(double ratio)
    {
        var random = new Random(5);
        var spectra = Enumerable.Range(0, 20)
            .Select(layer =>
                new Spectrum([.. Enumerable.Range(0, 512).Select(i => Math.Exp(-i / (20.0 + 15 * layer)) + 1e-3 * random.NextDouble()).OrderDescending()]))
                    .ToArray();

        var plan = WeLorePlan.Of(Square(spectra), ratio);

        plan.Reduced.Should().BeApproximately(ratio, 1e-3);
        plan.Layers.Select(layer => layer.Reduction).Should().Equal(spectra.Select(spectrum => spectrum.Normalized.Count(value => value < plan.Threshold)));
        plan.Layers[0].Rank.Should().BeLessThan(plan.Layers[^1].Rank, "a flatter spectrum keeps more");
    }

    [Fact]
    public void Plan_gives_other_methods_their_ranks()
    {
        using var model = Seeded(new OpenNetwork());
        var ranks = WeLorePlan.For(model, ratio: 0.5).Ranks.WithMean(4);
        ranks.Ranks.Values.Should().OnlyContain(rank => rank >= 1).And.HaveCount(2);

        RanksOf((open, targets) => new LowRankFactorization { Ranks = ranks }.Attach(open, targets)).Should().BeEquivalentTo(ranks.Ranks);
        RanksOf((open, targets) => new SLTrain { Ranks = ranks }.Attach(open, targets)).Should().BeEquivalentTo(ranks.Ranks);
        RanksOf((open, targets) => new LoRA { RankPattern = ranks.Ranks }.Attach(open, targets)).Should().BeEquivalentTo(ranks.Ranks);
        RanksOf((open, targets) => new ReLoRA { RankPattern = ranks.Ranks }.Attach(open, targets)).Should().BeEquivalentTo(ranks.Ranks);

        Dictionary<string, int> RanksOf(Func<nn.Module, Targets?, AdapterSession> attach)
        {
            using var session = attach(model, null);
            var found = session.Layers.ToDictionary(layer => layer.Name, layer => (int)layer.Rank);
            session.Finish();
            return found;
        }
    }

    [Fact]
    public void Equal_singular_values_are_kept()
    {
        var flat = new Spectrum([2, 2, 2, 2]);
        var zero = new Spectrum([0, 0, 0]);
        var plan = WeLorePlan.Of(Square(flat, zero, new Spectrum([4, 3, 2, 1, 0.5])), ratio: 0.3);

        plan.Layers.Select(layer => layer.Reduction).Should().Equal(0, 0, 4);
        flat.Normalized.Should().OnlyContain(value => value == 1);
        zero.EnergyWithin(1).Should().Be(1);
    }

    [Fact]
    public void What_becomes_factors_follows_the_rule()
    {
        // 10 × 30: factors are smaller than the matrix below rank 7.5.
        (string, (long, long), Spectrum)[] matrix = [("w", (10, 30), new Spectrum([10, 9, 8, 7, 6, 5, 0.3, 0.2, 0.1, 0]))];

        WeLorePlan.Of(matrix, 0.4).Layers.Single().Should().Match<WeLoreLayer>(layer => layer.Rank == 6 && !layer.IsLowRank && layer.ParametersAfter == 300);
        WeLorePlan.Of(matrix, 0.4, minRatio: 0.4).Layers.Single().IsLowRank.Should().BeTrue();
        WeLorePlan.Of(matrix, 0.4, minRatio: null).Layers.Single().Should()
            .Match<WeLoreLayer>(layer => layer.IsLowRank && layer.ParametersAfter == 6 * 40);
        WeLorePlan.Of(matrix, 0.1, minRatio: null).Layers.Single().IsLowRank.Should().BeFalse("rank 9 would take 360 numbers for 300");
    }

    [Fact]
    public void Report_names_every_matrix_and_changes_nothing()
    {
        using var model = Seeded(new OpenNetwork());
        var before = Weights(model);

        var report = WeLorePlan.For(model, ratio: 0.5, minRatio: null).ToString();

        report.Should().Contain("first.weight").And.Contain("16 x 12").And.Contain("parameters").And.NotContain("lm_head");
        Weights(model).Should().BeEquivalentTo(before);
    }

    [Fact]
    public void Only_low_rank_components_and_vectors_are_trained()
    {
        using var model = Decaying("second");
        var before = Weights(model);
        using var optimizer = new WeLore { Ratio = 0.4 }.Attach(model).CreateOptimizer(0.01);

        optimizer.Session.Parameters.Where(plan => plan.Parameter.requires_grad).Select(plan => plan.Name)
            .Should().Equal("first.bias", "norm.weight", "norm.bias", "second.factor_U", "second.factor_V", "lm_head.bias");
        Run(model, optimizer, 3);
        optimizer.Session.Finish();

        var after = Weights(model);
        after.Keys.Should().Equal(before.Keys);
        after["first.weight"].Should().Equal(before["first.weight"]);
        after["lm_head.weight"].Should().Equal(before["lm_head.weight"]);
        after["second.weight"].Should().NotEqual(before["second.weight"]);
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Plan_can_be_made_before_and_serves_other_methods()
    {
        using var model = Decaying("second");
        var plan = WeLorePlan.For(model, ratio: 0.4);
        using var other = Seeded(new OpenNetwork(), seed: 9);

        using var welore = new WeLore { Plan = plan }.Attach(other);
        using var third = Seeded(new OpenNetwork(), seed: 10);
        using var factorized = new LowRankFactorization { Ranks = plan.Ranks }.Attach(third);

        var kept = plan.Layers.Single(layer => layer.IsLowRank);
        welore.Layers.Should().ContainSingle().Which.Should().Match<AdaptedLayer>(layer => layer.Name == "second.weight" && layer.Rank == kept.Rank);
        factorized.Layers.Select(layer => layer.Rank).Should().Equal(plan.Layers.Select(layer => (long)layer.Rank));
    }

    [Fact]
    public void Model_without_low_rank_components_is_refused_and_unchanged()
    {
        using var model = Seeded(new OpenNetwork());

        model.Invoking(network => new WeLore { Ratio = 0.05, MinRatio = 0.9 }.Attach(network)).Should().Throw<ArgumentException>()
            .WithMessage("At a ratio of 0.05 none of the 2 matrices*Nothing was changed*");

        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Broken_weight_and_targets_that_match_nothing_are_refused()
    {
        using var model = Seeded(new OpenNetwork());
        using (no_grad())
            model.get_parameter("first.weight")!.view(-1).narrow(0, 0, 1).fill_(double.NaN);

        model.Invoking(network => WeLorePlan.For(network)).Should().Throw<ArgumentException>().WithMessage("'first.weight' holds NaN or infinity*");
        model.Invoking(network => WeLorePlan.For(network, Targets.Matching("nowhere"))).Should().Throw<ArgumentException>()
            .WithMessage("No matrix of the model is matched*");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(double.NaN)]
    public void Ratio_out_of_range_is_refused(double ratio)
    {
        FluentActions.Invoking(() => Checks.Require(new WeLore { Ratio = ratio })).Should().Throw<OptionsValidationException>()
            .WithMessage("*Ratio is*above 0 and below 1*");
        FluentActions.Invoking(() => WeLorePlan.Of(Square(new Spectrum([1])), ratio)).Should().Throw<ArgumentOutOfRangeException>();
    }

    private static IEnumerable<(string, (long, long), Spectrum)> Square(params Spectrum[] spectra) =>
        spectra.Select((spectrum, index) => ($"layer{index}", ((long)spectrum.Values.Count, (long)spectrum.Values.Count), spectrum));

    /// <summary>A network of which one weight is nearly of rank 2.</summary>
    private static OpenNetwork Decaying(string layer)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var model = Seeded(new OpenNetwork());
        var weight = model.get_parameter($"{layer}.weight")!;
        weight.mul_(1e-3).add_(Normal(31, ScalarType.Float32, weight.shape[0], 2).mm(Normal(32, ScalarType.Float32, 2, weight.shape[1])));
        return model;
    }
}
