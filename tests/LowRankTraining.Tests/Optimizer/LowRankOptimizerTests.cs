using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

public class LowRankOptimizerTests
{
    [Fact]
    public void Scheduler_of_TorchSharp_drives_the_learning_rate()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(4, 6));
        using var optimizer = GaLore.AdamW([("weight", weight)], lr: 0.5, rank: 2);
        var scheduler = optim.lr_scheduler.LambdaLR(optimizer, step => 1.0 / (1 + step));

        optimizer.ParamGroups.Single().LearningRate.Should().Be(0.5);
        scheduler.step();
        optimizer.ParamGroups.Single().LearningRate.Should().Be(0.25);
    }

    [Fact]
    public void Zero_learning_rate_moves_nothing()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(ones(4, 6));
        using var optimizer = GaLore.AdamW([("weight", weight)], lr: 0, rank: 2);

        Step(optimizer, weight);

        weight.detach().allclose(ones(4, 6), 0, 0).Should().BeTrue();
        optimizer.CompletedSteps.Should().Be(1);
    }

    [Fact]
    public void Closure_is_evaluated_with_gradients_on()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(ones(4, 6));
        using var optimizer = GaLore.AdamW([("weight", weight)], rank: 2);

        var loss = optimizer.step(() =>
        {
            optimizer.zero_grad();
            var value = (weight * weight).sum();
            value.backward();
            return value;
        });

        loss.ToDouble().Should().Be(24);
        weight.detach().allclose(ones(4, 6)).Should().BeFalse();
    }

    [Fact]
    public void Added_group_has_options_of_its_own_and_is_updated_by_Adam()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(4, 6));
        using var late = new Parameter(zeros(5));
        using var optimizer = GaLore.AdamW([("weight", weight)], lr: 0.01, rank: 2);
        optimizer.add_param_group(new LowRankOptimizer.ParamGroup([late], lr: 0.5));

        Step(optimizer, weight, late);

        optimizer.ParamGroups.Select(group => group.LearningRate).Should().Equal(0.01, 0.5);
        late.detach().abs().max().ToDouble().Should().BeApproximately(0.5, 1e-4, "Adam's first step is one learning rate");
    }

    [Fact]
    public void Learning_rate_and_decay_multipliers_of_a_plan_count()
    {
        using var scope = NewDisposeScope();
        using var fast = new Parameter(zeros(5));
        using var slow = new Parameter(zeros(5));
        using var session = new FixedSession(
            new ParameterPlan("fast", fast, new LowRankTraining.Parts.AdamRule()) { LearningRateMultiplier = 4 },
            new ParameterPlan("slow", slow, new LowRankTraining.Parts.AdamRule()));
        using var optimizer = session.CreateOptimizer(lr: 0.1);

        Step(optimizer, fast, slow);

        fast.detach().abs().max().ToDouble().Should().BeApproximately(0.4, 1e-4);
        slow.detach().abs().max().ToDouble().Should().BeApproximately(0.1, 1e-4);
    }

    [Fact]
    public void Convolution_weights_are_projected_as_out_by_rest()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(8, 3, 3, 3));
        using var optimizer = GaLore.AdamW([("conv.weight", weight)], rank: 4);

        Step(optimizer, weight);

        optimizer.StateOf(weight)["exp_avg"].shape.Should().Equal(4, 27);
        optimizer.StateOf(weight)["basis"].shape.Should().Equal(8, 4);
        weight.detach().abs().max().ToDouble().Should().BeGreaterThan(0);
    }

    [Fact]
    public void Embeddings_and_heads_are_left_to_the_full_rank_rule()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("table", nn.Embedding(20, 8)), ("body", nn.Linear(8, 8)), ("lm_head", nn.Linear(8, 20)));
        using var optimizer = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer();

        Step(optimizer, [.. optimizer.Session.Parameters.Select(plan => plan.Parameter)]);

        optimizer.Session.Parameters.Where(plan => optimizer.StateOf(plan.Parameter).TryGet("basis", out _)).Select(plan => plan.Name).Should()
            .Equal("body.weight");
    }

    internal static void Step(LowRankOptimizer optimizer, params Parameter[] parameters)
    {
        foreach (var parameter in parameters)
            parameter.grad = (linspace(1, 2, parameter.NumberOfElements).reshape(parameter.shape) * 3).sin();
        optimizer.step();
    }
}
