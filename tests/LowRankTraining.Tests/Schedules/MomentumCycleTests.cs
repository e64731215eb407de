using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using LowRankTraining.Tests.Optimizer;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.optim.lr_scheduler;

namespace LowRankTraining.Tests.Schedules;

/// <summary>TorchSharp's schedulers that move β₁ against the learning rate.</summary>
public class MomentumCycleTests
{
    private const int Steps = 12;

    [Fact]
    public void OneCycleLR_with_its_defaults_moves_plain_Adam_as_TorchSharps()
    {
        using var scope = NewDisposeScope();
        using Parameter ours = new(Draw.Normal(6, 9, 1)), theirs = new(Draw.Normal(6, 9, 1));
        using var plain = new LowRankOptimizer(Session((ours, new AdamRule())), lr: 0.01);
        using var adam = optim.AdamW([theirs], lr: 0.01, weight_decay: 0);
        var (a, b) = (OneCycleLR(plain, 0.05, total_steps: Steps + 1), OneCycleLR(adam, 0.05, total_steps: Steps + 1));

        for (var step = 0; step < Steps; step++)
        {
            ours.grad = Draw.Normal(6, 9, (ulong)(100 + step));
            theirs.grad = Draw.Normal(6, 9, (ulong)(100 + step));
            plain.step();
            adam.step();
            a.step();
            b.step();
            plain.Betas.Item1.Should().BeApproximately(((optim.IBetas)adam.ParamGroups.Single()).Betas.Item1, 1e-12);
        }

        Draw.Error(ours.detach(), theirs.detach()).Should().BeLessThan(1e-9);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Betas_that_were_set_are_those_of_a_run_that_goes_on(bool isFile)
    {
        using var folder = new TemporaryDirectory();
        using OpenNetwork model = Training.Seeded(new OpenNetwork());
        using LowRankOptimizer optimizer = GaLore.AdamW(model.named_parameters(), rank: 4), again = GaLore.AdamW(model.named_parameters(), rank: 4);
        optimizer.Betas = (0.7, 0.95);

        if (isFile)
        {
            TrainingCheckpoint.Save(folder.Path, model, optimizer);
            TrainingCheckpoint.Load(folder.Path, model, again);
        }
        else
        {
            again.load_state_dict(optimizer.state_dict());
        }

        again.Betas.Should().Be((0.7, 0.95));
    }

    [Fact]
    public void Momentum_is_moved_in_the_subspace_too()
    {
        using var scope = NewDisposeScope();
        using OpenNetwork cycled = Training.Seeded(new OpenNetwork()), constant = Training.Seeded(new OpenNetwork());
        using LowRankOptimizer a = GaLore.AdamW(cycled.named_parameters(), lr: 0.01, rank: 4), b = GaLore.AdamW(constant.named_parameters(), lr: 0.01, rank: 4);
        var (first, second) = (OneCycleLR(a, 0.01, total_steps: Steps), OneCycleLR(b, 0.01, total_steps: Steps, cycle_momentum: false));

        for (var step = 0; step < Steps - 1; step++)
        {
            Training.Step(cycled, a);
            Training.Step(constant, b);
            first.step();
            second.step();
        }

        foreach (var name in new[] { "second.weight", "first.bias" })
            Training.Distance(Training.Weights(cycled)[name], Training.Weights(constant)[name]).Should().BeGreaterThan(1e-4);
    }

    [Fact]
    public void Beta2_of_rules_that_differ_stays_their_own()
    {
        using var scope = NewDisposeScope();
        using Parameter first = new(zeros(2)), second = new(zeros(2));
        using var optimizer = new LowRankOptimizer(Session(
            (first, new AdamRule { Beta2 = 0.95 }), (second, new AdamRule { Beta2 = 0.999, Beta1 = 0 })), lr: 0.01);
        optimizer.Betas = (0.8, optimizer.Betas.Item2);

        second.grad = ones(2);
        optimizer.step();

        optimizer.StateOf(second)["exp_avg_sq"][0].ToDouble().Should().BeApproximately(0.001, 1e-8);
        optimizer.StateOf(second)["exp_avg"][0].ToDouble().Should().BeApproximately(0.2, 1e-7);
    }

    [Fact]
    public void Rules_without_momentum_to_move_say_so()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(2));
        using var optimizer = new LowRankOptimizer(Session((weight, new SgdRule())), lr: 0.01);

        var make = () => OneCycleLR(optimizer, 0.01, total_steps: 4);

        make.Should().Throw<NotSupportedException>().WithMessage("*cycle_momentum: false*");
        OneCycleLR(optimizer, 0.01, total_steps: 4, cycle_momentum: false).Should().NotBeNull();
    }

    [Theory]
    [InlineData(1.0, 0.9)]
    [InlineData(0.9, -0.1)]
    [InlineData(double.NaN, 0.9)]
    public void Betas_out_of_range_are_refused(double beta1, double beta2)
    {
        using var weight = new Parameter(zeros(2));
        using var optimizer = new LowRankOptimizer(Session((weight, new AdamRule())), lr: 0.01);
        var before = optimizer.Betas;

        var set = () => optimizer.Betas = (beta1, beta2);

        set.Should().Throw<ArgumentOutOfRangeException>();
        optimizer.Betas.Should().Be(before);
    }

    [Fact]
    public void CyclicLR_moves_the_rate_of_any_optimizer_and_the_momentum_of_SGD_only()
    {
        using var weight = new Parameter(zeros(2));
        using var optimizer = new LowRankOptimizer(Session((weight, new AdamRule())), lr: 0.01);
        using var adam = optim.AdamW([weight]);

        foreach (var each in new optim.Optimizer[] { optimizer, adam })
            each.Invoking(it => CyclicLR(it, 0.01, 0.05, step_size_up: 2)).Should().Throw<ArgumentException>().WithMessage("*cycle_momentum*");

        var scheduler = CyclicLR(optimizer, 0.01, 0.05, step_size_up: 2, cycle_momentum: false);
        scheduler.step();
        optimizer.ParamGroups.Single().LearningRate.Should().BeApproximately(0.03, 1e-12);
    }

    private static FixedSession Session(params (Parameter Parameter, UpdateRule Rule)[] plans) =>
        new([.. plans.Select((plan, index) => new ParameterPlan($"p{index}", plan.Parameter, plan.Rule))]);
}
