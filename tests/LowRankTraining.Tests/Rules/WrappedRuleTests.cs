using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Optimizer;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>A rule that wraps another can do all that the other can.</summary>
public class WrappedRuleTests
{
    private static readonly AdafactorRule Relative = new() { ScaleParameter = true };

    public static TheoryData<string> Transparent => [.. Wrappers.Keys];

    private static Dictionary<string, UpdateRule> Wrappers { get; } = new()
    {
        ["guarded"] = new GuardedRule(Relative, new Open()),
        ["in turns of one"] = new RoundRobinRule { Inner = Relative, Turns = 1 },
    };

    private static Dictionary<string, UpdateRule> All { get; } = new(Wrappers)
    {
        ["directions"] = new WeightNormRule { Direction = Relative },
        ["subspace"] = new SubspaceRule { Rank = 2, Inner = Relative },
        ["guarded subspace"] = new WeightNormRule { Direction = new SubspaceRule { Rank = 2, Inner = new GuardedRule(Relative, new Open()) } },
        ["core"] = new TuckerRule { Rank = 2, Inner = Relative },
        ["sketch"] = new FloraRule { Rank = 2, Adafactor = Relative },
    };

    public static TheoryData<string> Every => [.. All.Keys];

    [Theory]
    [MemberData(nameof(Transparent))]
    public void Wrapped_rule_scales_update_and_decay_by_the_same_factor(string name)
    {
        using var scope = NewDisposeScope();

        var wrapped = Trained(Wrappers[name]);

        wrapped.equal(Trained(Relative)).all().ToBoolean().Should().BeTrue();
    }

    [Theory]
    [MemberData(nameof(Every))]
    public void Wrapped_rule_has_the_relative_rate_of_what_it_wraps(string name)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var weight = full([6, 9], 3f);

        All[name].RelativeRate(weight, state)!.ToDouble().Should().BeApproximately(3, 1e-6);
    }

    [Theory]
    [MemberData(nameof(Every))]
    public void Wrapped_rule_takes_another_format(string name) =>
        All[name].WithStates(StateFormat.BFloat16).ToString().Should().Contain("bfloat16");

    [Fact]
    public void Note_on_a_lowered_rank_passes_through_wrappers()
    {
        var rule = new WeightNormRule { Direction = new SubspaceRule { Rank = 8 } };

        rule.NoteFor([6, 9]).Should().Be("rank 8 lowered to 6, the length of the compressed side");
    }

    private static Tensor Trained(UpdateRule rule)
    {
        var weight = new Parameter(Draw.Normal(6, 9, 1).to(ScalarType.Float32));
        using var optimizer = new LowRankOptimizer(new FixedSession(new ParameterPlan("weight", weight, rule)), lr: 0.1, weight_decay: 0.5);
        for (var step = 1; step <= 3; step++)
        {
            weight.grad = Draw.Normal(6, 9, 1 + (ulong)step).to(ScalarType.Float32);
            optimizer.step();
        }

        return weight.detach().clone();
    }

    /// <summary>Lets every gradient through.</summary>
    private sealed record Open : ISpikeGuard
    {
        public (Tensor Gradient, double Factor) Apply(Tensor gradient, DirectionRule rule, StateBag state, in StepContext step) => (gradient, 1);
    }
}
