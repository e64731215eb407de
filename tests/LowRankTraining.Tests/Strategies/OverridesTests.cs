using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>A table of names: no decay here, another rate there, a rank of its own, frozen.</summary>
public class OverridesTests
{
    [Fact]
    public void First_row_that_matches_a_name_counts_and_the_rest_stays_as_it_is()
    {
        using var model = new OpenNetwork();
        var method = new GaLore
        {
            Rank = 4,
            Overrides =
            [
                new() { Pattern = "second", Rank = 2, Scale = 1, States = StateFormat.BFloat16 },
                new() { Pattern = "lm_head", LearningRate = 0.1 },
                new() { Pattern = "bias", WeightDecay = 0 },
            ],
        };

        var plans = method.Attach(model).Parameters.ToDictionary(plan => plan.Name);

        Ranks(plans).Should().Equal(new Dictionary<string, int> { ["first.weight"] = 4, ["second.weight"] = 2 });
        ((SubspaceRule)plans["second.weight"].Rule).Lift.Should().Be(new ProjectBack { Scale = 1 });
        ((AdamRule)((SubspaceRule)plans["second.weight"].Rule).Inner).States.Should().Be(StateFormat.BFloat16);
        plans["lm_head.bias"].LearningRateMultiplier.Should().Be(0.1);
        plans.Values.Select(plan => (plan.Name, plan.WeightDecayMultiplier)).Where(plan => plan.WeightDecayMultiplier == 0).Select(plan => plan.Name)
            .Should().Equal("first.bias", "norm.bias");
    }

    /// <summary>A row that nobody would read, and a rank for what has none.</summary>
    [Theory]
    [InlineData("weight", "first.weight", "'first.weight' in Overrides comes after rows that are for all of its parameters*put it before them*")]
    [InlineData("first.bias", "weight", "'first.bias' in Overrides gives Rank, and none of its parameters is a target: first.bias*")]
    [InlineData("lm_head", "weight", "'lm_head' in Overrides gives Rank, and none of its parameters is a target: lm_head.weight, lm_head.bias*")]
    public void Row_without_effect_is_refused(string first, string second, string message)
    {
        using var model = new OpenNetwork();
        ParameterOptions[] rows = [new() { Pattern = first, Rank = 2 }, new() { Pattern = second, Rank = 3 }];

        foreach (var method in new ILowRankStrategy[] { new GaLore { Rank = 4, Overrides = rows }, new LoRA { Rank = 4, Overrides = rows } })
            method.Invoking(it => it.Attach(model)).Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Fact]
    public void Factors_reach_the_step()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("a", nn.Linear(3, 2, hasBias: false)), ("b", nn.Linear(2, 2, hasBias: false)));
        using var optimizer =
            new Spam { Overrides = [new() { Pattern = "a.", LearningRate = 0.5, WeightDecay = 0 }, new() { Pattern = "b.", WeightDecay = 3 }] }
            .Attach(model).CreateOptimizer(lr: 0.01, weight_decay: 0.1);
        var before = Weights(model);
        foreach (var parameter in model.parameters())
            parameter.grad = ones_like(parameter);

        optimizer.step();

        // Adam's first step is the rate, whatever the gradient.
        Values(model.get_parameter("a.weight")!).Zip(before["a.weight"], (now, then) => now - then).Should()
            .OnlyContain(change => Math.Abs(change + 0.005) < 1e-6);
        Values(model.get_parameter("b.weight")!).Zip(before["b.weight"], (now, then) => now - (then * (1 - 0.01 * 0.3))).Should()
            .OnlyContain(change => Math.Abs(change + 0.01) < 1e-6);
    }

    [Fact]
    public void Frozen_rows_stay_until_they_are_thawed()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 2, Overrides = [new() { Pattern = "first", Frozen = true }] }.Attach(model).CreateOptimizer();
        var before = Weights(model);

        Run(model, optimizer, 2);
        Weights(model)["first.weight"].Should().Equal(before["first.weight"]);

        model.get_parameter("first.weight")!.requires_grad = true;
        Run(model, optimizer, 1);
        Weights(model)["first.weight"].Should().NotEqual(before["first.weight"]);
        Weights(model)["first.bias"].Should().Equal(before["first.bias"]);
    }

    [Theory]
    [InlineData("rank", "*Overrides for 'first'*Rank is 0*")]
    [InlineData("decay", "*Overrides for 'first'*WeightDecay is -1*")]
    [InlineData("empty", "*Pattern is empty*")]
    [InlineData("frozen", "*Frozen has no effect*")]
    [InlineData("format", "*Overrides for 'first'*States*")]
    public void Row_that_cannot_be_is_refused_by_its_pattern(string wrong, string message)
    {
        ParameterOptions row = wrong switch
        {
            "rank" => new() { Pattern = "first", Rank = 0 },
            "decay" => new() { Pattern = "first", WeightDecay = -1 },
            "empty" => new() { Pattern = "" },
            "frozen" => new() { Pattern = "first", Frozen = true, LearningRate = 2 },
            _ => new() { Pattern = "first", States = StateFormat.Affine4Bit },
        };
        using var model = new OpenNetwork();

        model.Invoking(it => new GaLore { Overrides = [row] }.Attach(it)).Should().Throw<OptionsValidationException>().WithMessage(message);
    }

    [Fact]
    public void What_the_method_does_not_have_is_refused()
    {
        using var model = new OpenNetwork();

        model.Invoking(it => new Spam { Overrides = [new() { Pattern = "first", Rank = 2 }] }.Attach(it)).Should().Throw<OptionsValidationException>()
            .WithMessage("*Spam.Overrides for 'first'*no rank*");
        model.Invoking(it => new Frugal { Overrides = [new() { Pattern = "first", Rank = 2 }] }.Attach(it)).Should().Throw<OptionsValidationException>()
            .WithMessage("*Frugal.Overrides for 'first'*Density takes its place*");
    }

    [Fact]
    public void Row_that_matches_nothing_is_refused_with_the_names()
    {
        using var model = new OpenNetwork();

        model.Invoking(it => new GaLore { Rank = 2, Overrides = [new() { Pattern = "frist", Frozen = true }] }.Attach(it)).Should().Throw<ArgumentException>()
            .WithMessage("*'frist'*first.weight*Nothing was changed*");
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Several_groups_are_projected_each_in_its_way()
    {
        using var model = Seeded(new OpenNetwork());
        var method = new GaLore { Rank = 4, Beta1 = 0.8, Epsilon = 1e-6 };
        using var optimizer = method.Attach([("first.weight", model.get_parameter("first.weight")!)]).CreateOptimizer(lr: 0.01);

        optimizer.add_param_group(
            new LowRankOptimizer.ParamGroup([("second.weight", model.get_parameter("second.weight")!)], lr: 0.1, method: method with { Rank = 2 }));
        optimizer.add_param_group(new LowRankOptimizer.ParamGroup(model.parameters().Skip(3).Take(1), weight_decay: 0.5));

        var layouts = optimizer.parameters().Select(parameter => optimizer.StateOf((Parameter)parameter)).ToArray();
        Run(model, optimizer, 2);
        layouts.Select(bag => bag["exp_avg"].shape.Min()).Should().Equal(4, 2, 16);
        optimizer.ParamGroups.Select(group => group.LearningRate).Should().Equal(0.01, 0.1, 0.01);
    }

    [Fact]
    public void Added_parameter_has_the_numbers_of_the_method()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        var method = new GaLore { Rank = 4, Beta1 = 0, Beta2 = 0, Epsilon = 3 };
        using var optimizer = method.Attach([("first.weight", model.get_parameter("first.weight")!)]).CreateOptimizer(lr: 1);
        var bias = model.get_parameter("first.bias")!;
        var before = Values(bias);
        optimizer.add_param_group(new LowRankOptimizer.ParamGroup([bias]));
        bias.grad = ones_like(bias);

        optimizer.step();

        // Without memory the step is g / (|g| + ε).
        Values(bias).Zip(before, (now, then) => then - now).Should().OnlyContain(step => Math.Abs(step - 0.25) < 1e-6);
    }

    [Fact]
    public void Added_group_is_saved_by_the_names_that_it_was_given()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 4 }.Attach([("first.weight", model.get_parameter("first.weight")!)]).CreateOptimizer();

        optimizer.Invoking(it => it.add_param_group(new LowRankOptimizer.ParamGroup([("first.weight", model.get_parameter("second.weight")!)])))
            .Should().Throw<ArgumentException>().WithMessage("*Two parameters are called 'first.weight'*");
        optimizer.Invoking(it => it.add_param_group(new LowRankOptimizer.ParamGroup([model.get_parameter("second.weight")!], method: new LoRA())))
            .Should().Throw<NotSupportedException>().WithMessage("*'lora' changes the model*");
    }

    [Fact]
    public void Adapted_and_other_parameters_have_options_of_their_own_in_weight_space_too()
    {
        using var model = Seeded(new OpenNetwork());
        var method = new LoRA
        {
            Rank = 4,
            Alpha = 8,
            TrainOthers = true,
            Overrides =
            [
                new() { Pattern = "second", Rank = 2, Scale = 6, LearningRate = 0.5 },
                new() { Pattern = "first.bias", Frozen = true },
                new() { Pattern = "norm", WeightDecay = 0, States = StateFormat.BFloat16 },
            ],
        };

        var session = method.Attach(model);

        session.Layers.Select(layer => (layer.Name, layer.Rank)).Should().Equal(("first.weight", 4), ("second.weight", 2));
        var plans = session.Parameters.ToDictionary(plan => plan.Name);
        plans.Values.Where(plan => plan.LearningRateMultiplier != 1).Select(plan => plan.Name).Should().Equal("second.lora_A", "second.lora_B");
        plans["first.bias"].Parameter.requires_grad.Should().BeFalse();
        plans["norm.bias"].WeightDecayMultiplier.Should().Be(0);
        ((AdamRule)plans["norm.bias"].Rule).States.Should().Be(StateFormat.BFloat16);
        session.Finish();
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    /// <summary>Adam's first step is the rate, and that of A is zero while B is.</summary>
    [Fact]
    public void Factor_on_the_rate_reaches_the_factors()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Overrides = [new() { Pattern = "second", LearningRate = 0.5 }] }.Attach(model).CreateOptimizer(0.01);

        Run(model, optimizer, 1);

        Values(model.get_parameter("first.lora_B")!).Should().OnlyContain(value => Math.Abs(Math.Abs(value) - 0.01) < 1e-5);
        Values(model.get_parameter("second.lora_B")!).Should().OnlyContain(value => Math.Abs(Math.Abs(value) - 0.005) < 1e-5);
    }

    [Fact]
    public void Frozen_matrix_is_not_adapted()
    {
        using var model = Seeded(new OpenNetwork());

        var session = new DoRA { Rank = 4, Overrides = [new() { Pattern = "first", Frozen = true }] }.Attach(model);

        session.Layers.Select(layer => layer.Name).Should().Equal("second.weight");
        model.get_parameter("first.weight")!.requires_grad.Should().BeFalse();
        model.Invoking(it => new CoLA { Rank = 4, Overrides = [new() { Pattern = "weight", Frozen = true }] }.Attach(new OpenNetwork()))
            .Should().Throw<ArgumentException>().WithMessage("*freezes every matrix*Nothing was changed*");
    }

    [Theory]
    [InlineData("rank", "*SLTrain.Overrides for 'first'*one rank and scale*")]
    [InlineData("unused", "*'frist'*first.weight*The nearest names are first, *Nothing was changed*")]
    [InlineData("states", "*'first'*'first.weight' is adapted*Nothing was changed*")]
    public void Row_that_cannot_be_in_weight_space_is_refused(string wrong, string message)
    {
        using var model = new OpenNetwork();
        ILowRankStrategy method = wrong switch
        {
            "rank" => new SLTrain { Rank = 4, Overrides = [new() { Pattern = "first", Rank = 2 }] },
            "unused" => new LoRA { Rank = 4, Overrides = [new() { Pattern = "frist", Rank = 2 }] },
            _ => new ReLoRA { Rank = 4, Overrides = [new() { Pattern = "first", States = StateFormat.BFloat16 }] },
        };

        model.Invoking(it => method.Attach(it)).Should().Throw<Exception>().WithMessage(message);
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    private static Dictionary<string, int> Ranks(Dictionary<string, ParameterPlan> plans) =>
        plans.Where(plan => plan.Value.Rule is SubspaceRule).ToDictionary(plan => plan.Key, plan => ((SubspaceRule)plan.Value.Rule).Rank);
}
