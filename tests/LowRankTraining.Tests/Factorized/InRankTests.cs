using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Factorized;

/// <summary>Events are looked at with a learning rate of 0: what changes then is not the update.</summary>
public class InRankTests
{
    private const double Tolerance = 1e-11;

    private static readonly InRank Small =
        new() { Rank = 1, Buffer = 2, MaxRankRatio = 1, EnergyRatio = 0.9, WarmupSteps = 0, CheckEvery = 2, StableChecks = 2, AllowUnreached = true };

    [Fact]
    public void Growth_adds_the_directions_that_the_energy_asks_for_and_changes_nothing()
    {
        using var scope = NewDisposeScope();
        var (model, layer, optimizer) = Attach(Small);
        var (before, u, v) = (Values(layer.EffectiveWeight()), Values(layer.factor_U.t()), Values(layer.factor_V));
        var energies = Values(linalg.svdvals(layer.EffectiveWeight())).Select(value => value * value).ToArray();
        var needed = Enumerable.Range(1, 3).First(count => energies.Take(count).Sum() > 0.9 * energies.Sum());

        Step(optimizer, layer, 1);
        layer.Rank.Should().Be(3, "nothing is due after one step");
        Step(optimizer, layer, 2);

        needed.Should().BeGreaterThan(1, "else the test shows nothing");
        layer.Rank.Should().Be(needed + 2);
        Distance(Values(layer.EffectiveWeight()), before).Should().BeLessThan(Tolerance);
        Values(layer.factor_U.t()).Should().Equal([.. u, .. new double[(needed - 1) * 8]]);
        Values(layer.factor_V).Take(v.Length).Should().Equal(v);
        Values(layer.factor_V).Skip(v.Length).Should().OnlyContain(value => value != 0 && Math.Abs(value) <= 1 / Math.Sqrt(10));
        Release(model, optimizer);
    }

    [Fact]
    public void Directions_that_join_move_as_at_any_first_step()
    {
        using var scope = NewDisposeScope();
        var (model, layer, optimizer) = Attach(Small);
        Step(optimizer, layer, 1);
        Step(optimizer, layer, 2);
        var (before, gradient) = (layer.factor_V.detach().clone(), Normal(77, ScalarType.Float64, layer.Rank, 10));

        foreach (var group in optimizer.ParamGroups)
            group.LearningRate = 0.01;
        layer.factor_V.grad = gradient.clone();
        layer.factor_U.grad = ones_like(layer.factor_U);
        optimizer.step();

        var moved = (layer.factor_V - before).narrow(0, 3, layer.Rank - 3);
        var first = gradient.narrow(0, 3, layer.Rank - 3);
        Distance(Values(moved), Values(first / (first.abs() + 1e-8) * -0.01)).Should().BeLessThan(1e-6);
        optimizer.StateOf(layer.factor_V)["vector_steps"].data<float>().ToArray().Should().Equal([3, 3, 3, .. Enumerable.Repeat(1f, (int)layer.Rank - 3)]);
        Release(model, optimizer);
    }

    [Fact]
    public void Settling_beside_a_weight_keeps_the_function_and_turns_the_moments()
    {
        using var scope = NewDisposeScope();
        var (model, layer, optimizer) = Attach(Small with { Rank = 3, KeepsWeights = true, GrowSteps = 1, EnergyRatio = 0.6 });
        using (no_grad())
            layer.factor_U.copy_(Normal(41, ScalarType.Float64, 8, layer.Rank));
        var before = Values(layer.EffectiveWeight());
        var whole = Normal(42, ScalarType.Float64, 8, 10);
        var rank = layer.Rank;

        Step(optimizer, layer, whole);

        layer.Rank.Should().BeLessThan(rank);
        Distance(Values(layer.EffectiveWeight()), before).Should().BeLessThan(Tolerance);
        Distance(Values(layer.factor_U.t().mm(layer.factor_U)), Values(layer.factor_V.mm(layer.factor_V.t()))).Should().BeLessThan(Tolerance);

        // As if the gradient had come to the new factors.
        Distance(Values(optimizer.StateOf(layer.factor_U)["exp_avg"]), Values(whole.mm(layer.factor_V.t()) * 0.1)).Should().BeLessThan(Tolerance);
        Distance(Values(optimizer.StateOf(layer.factor_V)["exp_avg"]), Values(layer.factor_U.t().mm(whole) * 0.1)).Should().BeLessThan(Tolerance);
        Values(optimizer.StateOf(layer.factor_U)["exp_avg_sq"]).Should().OnlyContain(value => value > 0);
        Release(model, optimizer);
    }

    [Fact]
    public void Settling_without_a_weight_leaves_the_best_approximation()
    {
        using var scope = NewDisposeScope();
        var (model, layer, optimizer) = Attach(Small with { Rank = 2, Buffer = 4, EnergyRatio = 0.5, GrowSteps = 1 });
        var (u, values, vh) = linalg.svd(layer.EffectiveWeight(), fullMatrices: false);

        Step(optimizer, layer, 1);

        layer.Rank.Should().Be(2);
        Distance(Values(layer.EffectiveWeight()), Values((u.narrow(1, 0, 2) * values.narrow(0, 0, 2)).mm(vh.narrow(0, 0, 2)))).Should().BeLessThan(Tolerance);
        Release(model, optimizer);
    }

    [Fact]
    public void Ranks_settle_when_nothing_has_grown_for_long_enough()
    {
        using var scope = NewDisposeScope();
        var (model, layer, optimizer) = Attach(Small with { EnergyRatio = 0.01 });

        var ranks = Enumerable.Range(1, 6).Select(step =>
        {
            Step(optimizer, layer, (ulong)step);
            return layer.Rank;
        }).ToArray();

        ranks.Should().Equal(3, 3, 3, 1, 1, 1);
        Release(model, optimizer);
    }

    [Fact]
    public void Rank_stays_below_its_share_of_the_short_side()
    {
        using var scope = NewDisposeScope();
        var (model, layer, optimizer) = Attach(Small with { Rank = 20, Buffer = 20, MaxRankRatio = 0.5 });

        Step(optimizer, layer, 1);
        Step(optimizer, layer, 2);

        layer.Rank.Should().Be(4);
        Release(model, optimizer);
    }

    [Fact]
    public void Nothing_learnt_needs_no_more_directions()
    {
        var growth = new RankGrowth(FirstModes: 2, Buffer: 3, MaxShare: 0.5, Threshold: 0.9, Compatibility.Paper);

        growth.Next([0, 0, 0, 0, 0], modes: 2, limit: 20).Should().Be(2);
        growth.Next([1, 1, 1, 1, 1], modes: 2, limit: 20).Should().Be(5);
        growth.Next([3, 1, 0.1, 0.1, 0.1], modes: 2, limit: 20).Should().Be(2);
    }

    [Fact]
    public void Reference_code_has_nothing_to_search_near_the_limit_and_stays()
    {
        var growth = new RankGrowth(FirstModes: 8, Buffer: 3, MaxShare: 0.5, Threshold: 0.9, Compatibility.ReferenceCode);

        growth.Next([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], modes: 8, limit: 20).Should().Be(8);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Finished_model_is_the_plain_one(bool keepsWeights)
    {
        using var model = Seeded(new OpenNetwork());
        var names = model.state_dict().Keys.ToArray();
        using var optimizer = (Small with { KeepsWeights = keepsWeights, GrowSteps = 4 }).Attach(model).CreateOptimizer(0.01);
        if (keepsWeights)
            model.state_dict().Keys.Should().Contain("first.weight");
        Run(model, optimizer, 6);
        var learned = Output(model);

        optimizer.Session.Finish();

        Distance(Output(model), learned).Should().BeLessThan(1e-5);
        model.state_dict().Keys.Should().Equal(names);
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Kept_weight_starts_as_the_model_that_was_there()
    {
        using var model = Seeded(new OpenNetwork());
        var before = Output(model);

        using var session = (Small with { KeepsWeights = true }).Attach(model);

        Distance(Output(model), before).Should().BeLessThan(1e-6);
        session.Parameters.Where(plan => plan.Name.Contains("factor")).Should().OnlyContain(plan => plan.WeightDecayMultiplier == 0);
    }

    /// <summary>A target of rank 2: from random factors of usual size the rank is that of the start, from small ones that of the target.</summary>
    [Fact]
    public void Small_start_finds_the_rank_that_is_needed()
    {
        var settled = RankFor(startScale: 1);

        RankFor(startScale: 0.05).Should().Be(2);
        settled.Should().BeGreaterThan(2, "the spectrum of a random start is flat, and c never falls");
    }

    private static long RankFor(double startScale)
    {
        using var scope = NewDisposeScope();
        var method = Small with { Buffer = 3, StartScale = startScale, CheckEvery = 5, GrowSteps = 300, AllowUnreached = false };
        using var model = Seeded(new OneLayer());
        using var optimizer = method.Attach(model).CreateOptimizer(lr: 0.01);
        var layer = (FactorizedLinear)model.named_children().Single().module;
        var target = Normal(5, ScalarType.Float64, 10, 2).mm(Normal(6, ScalarType.Float64, 2, 8));
        for (ulong step = 0; step < 300; step++)
        {
            using var within = NewDisposeScope();
            var input = Normal(100 + step, ScalarType.Float64, 32, 10);
            optimizer.zero_grad();
            (model.call(input) - input.mm(target)).square().mean().backward();
            optimizer.step();
        }

        return layer.Rank;
    }

    private static (OneLayer Model, FactorizedLinear Layer, LowRankOptimizer Optimizer) Attach(InRank options)
    {
        var model = Seeded(new OneLayer());
        var optimizer = options.Attach(model).CreateOptimizer(lr: 0);
        return (model, (FactorizedLinear)model.named_children().Single().module, optimizer);
    }

    private static void Step(LowRankOptimizer optimizer, FactorizedLinear layer, ulong seed) => Step(optimizer, layer, Normal(seed, ScalarType.Float64, 8, 10));

    /// <summary>A step whose gradient for the whole weight is given.</summary>
    private static void Step(LowRankOptimizer optimizer, FactorizedLinear layer, Tensor whole)
    {
        using var guard = no_grad();
        layer.factor_U.grad = whole.mm(layer.factor_V.t());
        layer.factor_V.grad = layer.factor_U.t().mm(whole);
        optimizer.step();
    }

    private static void Release(OneLayer model, LowRankOptimizer optimizer)
    {
        optimizer.Dispose();
        model.Dispose();
    }

    private sealed class OneLayer : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> layer;

        public OneLayer() : base(nameof(OneLayer))
        {
            layer = nn.Linear(10, 8, hasBias: false, dtype: ScalarType.Float64);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => layer.call(input);
    }
}
