using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Gradients;

/// <summary>Gradients that are projected in the backward pass: the trajectory of whole ones.</summary>
public class ProjectedFlowTests
{
    private const int Steps = 50;

    public static TheoryData<string> Methods => [.. Named.Keys];

    private static Dictionary<string, UpdateMethod> Named { get; } = new()
    {
        ["adam"] = new GaLore { Rank = 4, RefreshEvery = 10 },
        ["staggered"] = new GaLore { Rank = 4, RefreshEvery = 10, Staggered = true },
        ["rotated"] = new GaLore { Rank = 4, RefreshEvery = 10, OnRefresh = MomentCarryOver.Rotate },
        ["8-bit"] = new GaLore { Rank = 4, RefreshEvery = 10, States = StateFormat.Blockwise8Bit },
        ["lion"] = new GaLore { Rank = 4, RefreshEvery = 10, Inner = new LionRule() },
        ["momentum"] = new GaLore { Rank = 4, RefreshEvery = 10, Inner = new SgdRule { Momentum = 0.9 } },
        ["adafactor"] = new GaLore { Rank = 4, RefreshEvery = 10, Inner = new AdafactorRule() },
        ["both sides"] = new GaLore { Rank = 4, RefreshEvery = 10, Side = ProjectionSide.Both },
        ["left"] = new GaLore { Rank = 4, RefreshEvery = 10, Side = ProjectionSide.Left },
        ["right"] = new GaLore { Rank = 4, RefreshEvery = 10, Side = ProjectionSide.Right },
        ["drawn"] = new GaLore { Rank = 4, RefreshEvery = 10, Basis = new RandomOrthonormalBasis() },
        ["rows"] = new GaLore { Rank = 4, RefreshEvery = 10, Basis = new CoordinateBasis() },
        ["galore2"] = new GaLore2 { Rank = 4, RefreshEvery = 10 },
        ["ahead"] = new GaLore { Rank = 4, RefreshEvery = 10, Basis = new WarmStartedBasis { Ahead = true } },
        ["ahead, every step"] = new GaLore { Rank = 4, RefreshEvery = 1, Basis = new WarmStartedBasis { Ahead = true } },
        ["ahead, staggered"] = new GaLore { Rank = 4, RefreshEvery = 10, Staggered = true, Basis = new WarmStartedBasis { Ahead = true } },
        ["ahead, rotated"] = new GaLore { Rank = 4, RefreshEvery = 10, OnRefresh = MomentCarryOver.Rotate, Basis = new WarmStartedBasis { Ahead = true } },
        ["drift"] = new OnlineSubspaceDescent { Rank = 4, Refresh = new PeriodicRefresh { Every = 20 } },
        ["drift, descending"] = new OnlineSubspaceDescent { Rank = 4, ProjectorUsesAdam = false, ProjectorLearningRate = 0.1 },
        ["adaptive"] = new AdaRankGrad { Rank = 8, Refresh = new EnergyRefresh { LookEvery = 3, AtLeast = 3, AtMost = 12, Least = 0.6 } },
        ["guarded"] = new GaLore { Rank = 4, RefreshEvery = 10, Guard = new SpikeGuard() },
    };

    /// <summary>A first try on a small model: the default rank of 128 is of no use there.</summary>
    [Theory]
    [InlineData("galore", "*Set Rank*"), InlineData("fira", "*ScaledResidual needs the whole gradient*"), InlineData("muon", "*it projects no gradient*")]
    public void Refusal_says_what_keeps_gradients_whole_in_a_model_too_small_for_the_default_rank(string method, string reason)
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("first", nn.Linear(16, 32)), ("second", nn.Linear(32, 16)));

        FluentActions.Invoking(() => LowRankStrategies.Create(method).Attach(model, null, GradientFlow.Projected))
            .Should().Throw<NotSupportedException>().WithMessage($"'{method}' cannot take gradients by GradientFlow.Projected*").WithMessage(reason);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Trajectory_is_that_of_whole_gradients(string method) => Compare(Named[method], micro: 1, decay: 0.1, tolerance: 1e-5, shape: [12]);

    [Theory]
    [InlineData(3, 0.0, new long[] { 12 })]
    [InlineData(3, 0.1, new long[] { 3, 5 })]
    [InlineData(1, 0.1, new long[] { 2, 3, 4 })]
    public void Micro_batches_and_inputs_of_more_dimensions_add_up(int micro, double decay, long[] shape) =>
        Compare(new GaLore { Rank = 4, RefreshEvery = 10, Basis = new RandomOrthonormalBasis() }, micro, decay, 1e-5, shape);

    private static void Compare(UpdateMethod method, int micro, double decay, double tolerance, long[] shape)
    {
        using var scope = NewDisposeScope();
        using TappedModel whole = new(), projected = new();
        using var one = method.Attach(whole, Targets.AllLinear()).CreateOptimizer(0.01, decay);
        using var other = method.Attach(projected, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01, decay);
        foreach (var (model, optimizer) in new[] { (whole, one), (projected, other) })
            for (var step = 0; step < Steps; step++)
            {
                optimizer.zero_grad();
                for (var part = 0; part < micro; part++)
                    (model.Loss(step * micro + part, shape) / micro).backward();
                optimizer.step();
            }

        other.Refreshes.Should().Be(one.Refreshes).And.BeGreaterThan(2);
        other.SkippedUpdates.Should().Be(0);
        foreach (var ((name, expected), (_, actual)) in whole.named_parameters().Zip(projected.named_parameters()))
            Draw.Error(actual.detach(), expected.detach().to(ScalarType.Float64)).Should().BeLessThan(tolerance, name);
    }
}
