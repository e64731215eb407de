using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Factorized;

/// <summary>Factors in the place of weights, in a whole model.</summary>
public class FactorizedTests
{
    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.BFloat16, 0.05)]
    public void Finished_model_is_the_plain_one_with_what_was_learned(ScalarType dtype, double tolerance)
    {
        using var model = Seeded(new OpenNetwork(dtype));
        var (names, children) = (model.state_dict().Keys.ToArray(), model.named_children().ToArray());
        using var optimizer = new LowRankFactorization { Rank = 4 }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 5);
        var learned = Output(model);

        optimizer.Session.Finish();

        Distance(Output(model), learned).Should().BeLessThan(tolerance);
        model.state_dict().Keys.Should().Equal(names);
        model.named_children().Should().Equal(children, "the modules are the ones from before");
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad && parameter.dtype == dtype);
        using var stream = new MemoryStream();
        model.save(stream);
        using var plain = new OpenNetwork(dtype);
        plain.load(new MemoryStream(stream.ToArray()));
        Output(plain).Should().Equal(Output(model));
    }

    [Fact]
    public void Full_rank_keeps_the_function_and_the_weight_takes_no_memory_meanwhile()
    {
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        var before = Output(model);
        var plain = (Linear)model.named_children().First().module;

        using var session = new LowRankFactorization { Rank = 1000, TrainOthers = false }.Attach(model);

        Distance(Output(model), before).Should().BeLessThan(1e-12);
        plain.weight!.numel().Should().Be(0);
        model.state_dict().Keys.Should().Equal(
            "first.bias", "first.factor_U", "first.factor_V", "norm.weight", "norm.bias", "second.factor_U", "second.factor_V", "lm_head.weight",
                "lm_head.bias");
        var trained = session.Parameters.Where(plan => plan.Parameter.requires_grad).ToArray();
        trained.Select(plan => plan.Name).Should().Equal("first.factor_U", "first.factor_V", "second.factor_U", "second.factor_V");
        trained.Should().OnlyContain(plan => plan.Note!.Contains("lowered to"));
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-5), InlineData(ScalarType.Float64, 1e-12), InlineData(ScalarType.BFloat16, 0.05)]
    public void Factors_decomposed_anew_are_balanced_and_do_what_they_did(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(dtype));
        using var other = Seeded(new OpenNetwork(dtype));
        using var optimizer = new LowRankFactorization { Rank = 4, RefactorEvery = 3 }.Attach(model).CreateOptimizer(0.01);
        using var plain = new LowRankFactorization { Rank = 4 }.Attach(other).CreateOptimizer(0.01);

        Run(model, optimizer, 3);
        Run(other, plain, 3);

        Distance(Output(model), Output(other)).Should().BeLessThan(tolerance);
        var layer = (FactorizedLinear)model.named_children().First().module;
        var (u, v) = (layer.factor_U.to(ScalarType.Float64), layer.factor_V.to(ScalarType.Float64));
        var values = MathNet.Numerics.LinearAlgebra.Matrix<double>.Build
            .DenseOfRowMajor((int)u.shape[0], (int)v.shape[1], [.. u.mm(v).reshape(-1).data<double>()]).Svd(computeVectors: false).S;
        foreach (var gram in new[] { u.t().mm(u), v.mm(v.t()) })
            Draw.Error(gram, tensor(values.Take(4).ToArray()).diag()).Should().BeLessThan(dtype == ScalarType.BFloat16 ? 0.02 : 1e-5);
        optimizer.StateOf(layer.factor_U).Bytes.Should().Be(0, "the moments are those of other numbers");
        optimizer.StateOf(layer.factor_V).Bytes.Should().Be(0);
        optimizer.StateOf(model.get_parameter("lm_head.weight")!).Bytes.Should().BePositive();
    }

    [Fact]
    public void Ranks_can_differ_by_name()
    {
        using var model = Seeded(new OpenNetwork());
        var ranks = new RankAllocation(new Dictionary<string, int> { ["second.weight"] = 3 });

        using var session = new LowRankFactorization { Rank = 5, Ranks = ranks }.Attach(model);

        session.Layers.Select(layer => layer.Rank).Should().Equal(5, 3);
    }

    [Fact]
    public void Allocation_keeps_its_proportions_at_another_mean()
    {
        var ranks = new RankAllocation(new Dictionary<string, int> { ["a"] = 100, ["b"] = 300, ["c"] = 5 });

        var scaled = ranks.WithMean(27);

        scaled.Ranks.Should().Equal(new Dictionary<string, int> { ["a"] = 20, ["b"] = 60, ["c"] = 1 });
        ranks.For("d").Should().BeNull();
    }

    [Fact]
    public void Layers_that_cannot_be_replaced_are_named_and_nothing_is_changed()
    {
        using var model = Seeded(new SealedNetwork());

        model.Invoking(closed => new LowRankFactorization { Rank = 4 }.Attach(closed)).Should().Throw<ArgumentException>()
            .WithMessage(
                "'factorized' puts layers of its own*2 of the matrices: first.weight (field 'first' of SealedNetwork is of type Linear)*Module<Tensor, "
                    + "Tensor>*GaLore*");

        model.state_dict().Keys.Should().NotContain(name => name.Contains("factor"));
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Matrix_of_a_module_that_is_not_linear_is_refused()
    {
        using var model = nn.Sequential(nn.Conv2d(2, 3, 2));

        model.Invoking(convolution => new LowRankFactorization { Rank = 1 }.Attach(convolution, Targets.AllMatrices())).Should().Throw<ArgumentException>()
            .WithMessage("*it is not the weight of a linear module*Nothing was changed*");
    }

    [Fact]
    public void Options_that_mean_nothing_to_factors_are_refused() =>
        FluentActions.Invoking(() =>
            Checks.Require(new LowRankFactorization { Rank = 0, Alpha = 2, Dropout = 0.5, Injection = LowRankTraining.Layers.Injection.Shadow }))
            .Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(4);

    [Fact]
    public void Rank_above_the_layer_is_an_error_on_demand()
    {
        using var model = Seeded(new OpenNetwork());

        model.Invoking(network => new LowRankFactorization { Rank = 13, Strict = true }.Attach(network)).Should().Throw<ArgumentException>()
            .WithMessage("*Strict*first.weight*");

        model.state_dict().Keys.Should().NotContain(name => name.Contains("factor"));
    }

    [Fact]
    public void Weight_decay_shrinks_the_factors_since_they_are_the_weight()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new LowRankFactorization { Rank = 4 }.Attach(model);

        session.Parameters.Should().OnlyContain(plan => plan.WeightDecayMultiplier == 1);
    }

    [Fact]
    public void Layers_of_CoLA_stay_when_it_is_finished()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new CoLA { Rank = 4 }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 3);
        var learned = Output(model);

        optimizer.Session.Finish();
        optimizer.Dispose();

        Output(model).Should().Equal(learned);
        model.named_children().First().module.Should().BeOfType<FactorizedLinear>().Which.Activation.Should().Be(FactorActivation.SiLU);
        optimizer.Session.Invoking(session => session.Finish()).Should().Throw<InvalidOperationException>();
    }
}
