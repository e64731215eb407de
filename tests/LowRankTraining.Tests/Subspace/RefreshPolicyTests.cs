using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class RefreshPolicyTests
{
    [Fact]
    public void Lazy_gap_doubles_after_so_many_similar_subspaces_and_the_count_begins_again()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new LazyRefresh { Every = 5, Remembered = 2 };
        var basis = Draw.Basis(12, 3, 1);

        var renewed = RenewalsUntil(50, policy, state, (basis, basis));

        renewed.Should().Equal(5, 10, 20, 30, 50);
    }

    [Fact]
    public void Lazy_refresh_is_blind_to_signs_and_to_rotations_within_the_subspace()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new LazyRefresh { Every = 5, Remembered = 2, Threshold = 0.999 };
        var basis = Draw.Basis(12, 3, 1);

        var renewed = RenewalsUntil(50, policy, state, (basis, -basis.mm(Draw.Basis(3, 3, 2))));

        renewed.Should().Equal(5, 10, 20, 30, 50);
    }

    [Fact]
    public void Similarity_that_no_subspaces_have_is_refused() =>
        Checks.Of(new LazyRefresh { Threshold = 1.5 }).Should().Equal("LazyRefresh.Threshold is 1.5: it must be above 0 and at most 1.");

    [Fact]
    public void Lazy_gap_stays_while_subspaces_differ()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new LazyRefresh { Every = 5, Remembered = 2 };
        var axes = eye(12, dtype: ScalarType.Float64);

        var renewed = RenewalsUntil(30, policy, state, (axes.narrow(1, 0, 3), axes.narrow(1, 2, 3)));

        renewed.Should().Equal([5, 10, 15, 20, 25, 30], "one shared direction of three is a similarity of a third");
    }

    [Fact]
    public void Lazy_refresh_remembers_the_last_similarities_only()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new LazyRefresh { Every = 5, Remembered = 2, Threshold = 0.9 };
        var axes = eye(12, dtype: ScalarType.Float64);
        var (here, there) = (axes.narrow(1, 0, 3), axes.narrow(1, 3, 3));

        policy.Renewed(Change(here, there, state), 5);
        policy.Renewed(Change(here, here, state), 10);
        state.Counter("refresh_gap").Should().Be(5);
        policy.Renewed(Change(here, here, state), 15);

        state.Counter("refresh_gap").Should().Be(10);
        policy.IsDue(24, 0, state).Should().BeFalse();
        policy.IsDue(25, 0, state).Should().BeTrue();
    }

    [Theory]
    [InlineData(0.9, false)]
    [InlineData(0.4, false)]
    [InlineData(0.3, true)]
    public void Energy_decides_once_the_least_number_of_updates_is_over(double share, bool due)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new EnergyRefresh { Least = 0.35, LookEvery = 1, AtLeast = 3, AtMost = 100 };
        var captured = tensor(Math.Sqrt(share));

        for (var completed = 0; completed < 3; completed++)
        {
            policy.IsDue(completed, 0, state).Should().BeFalse();
            policy.Observe(captured, policy.AsksForShare(completed, state) ? captured : null, completed, state);
        }

        policy.IsDue(3, 0, state).Should().Be(due);
    }

    [Fact]
    public void Energy_refresh_comes_in_any_case_after_the_largest_number_of_updates()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new EnergyRefresh { LookEvery = 1, AtLeast = 2, AtMost = 7 };
        var captured = tensor(Math.Sqrt(0.9));

        for (var completed = 0; completed < 7; completed++)
        {
            policy.IsDue(completed, 0, state).Should().BeFalse();
            policy.Observe(captured, policy.AsksForShare(completed, state) ? captured : null, completed, state);
        }

        policy.IsDue(7, 0, state).Should().BeTrue();
        policy.Renewed(Change(Draw.Basis(5, 2, 1), Draw.Basis(5, 2, 2), state), 7);
        policy.IsDue(8, 0, state).Should().BeFalse();
        policy.IsDue(14, 0, state).Should().BeTrue();
    }

    [Fact]
    public void Energy_is_looked_at_only_so_often()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new EnergyRefresh { LookEvery = 4, AtLeast = 1 };
        var captured = tensor(Math.Sqrt(0.1));

        var due = Enumerable.Range(0, 4).Select(completed =>
        {
            policy.Observe(captured, policy.AsksForShare(completed, state) ? captured : null, completed, state);
            return policy.IsDue(completed + 1, 0, state);
        }).ToArray();

        due.Should().Equal(false, false, false, true);
    }

    [Fact]
    public void Subspace_is_found_anew_when_the_gradient_has_left_it()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(8, 12));
        using var optimizer = new GaLore { Rank = 2, Refresh = new EnergyRefresh { LookEvery = 1, AtLeast = 3, AtMost = 1000 } }.Attach([("weight", weight)])
            .CreateOptimizer();
        Tensor here = Draw.WithSingularValues(8, 12, 1, 3, 2), there = Draw.WithSingularValues(8, 12, 2, 3, 2);

        Refreshes(20, here).Should().Be(1);
        Refreshes(20, there).Should().Be(2);

        long Refreshes(int steps, Tensor gradient)
        {
            for (var step = 0; step < steps; step++)
            {
                weight.grad = gradient.to(ScalarType.Float32);
                optimizer.step();
            }

            return optimizer.Refreshes;
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.4)]
    [InlineData(1.0)]
    public void Path_efficiency_is_the_length_of_the_sum_over_the_sum_of_lengths(double common)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new PathEfficiencyRefresh { Least = 0.45, LookEvery = 3 };
        var direction = Draw.Normal(3, 5, 99);
        var path = zeros(3, 5, ScalarType.Float64);
        var expected = false;

        for (var completed = 0; completed < 12; completed++)
        {
            var inside = common * direction + Draw.Normal(3, 5, (ulong)completed + 1);
            policy.Observe(inside, null, completed, state);
            path += inside / inside.pow(2).sum().sqrt();
            if ((completed + 1) % 3 == 0)
                expected = path.pow(2).sum().sqrt().ToDouble() / (completed + 1) < 0.45;

            policy.IsDue(completed + 1, 0, state).Should().Be(expected);
            Draw.Error(state["refresh_path"], path).Should().BeLessThan(1e-12);
        }
    }

    [Fact]
    public void Path_begins_anew_with_a_new_subspace()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new PathEfficiencyRefresh { Least = 0.5, LookEvery = 2 };
        var inside = Draw.Normal(3, 5, 1);
        policy.Observe(inside, null, 0, state);
        policy.Observe(-inside, null, 1, state);
        policy.IsDue(2, 0, state).Should().BeTrue();

        policy.Renewed(Change(Draw.Basis(5, 3, 1), Draw.Basis(5, 3, 2), state), 2);
        policy.Observe(inside, null, 2, state);

        policy.IsDue(3, 0, state).Should().BeFalse();
        Draw.Error(state["refresh_path"], inside / inside.norm()).Should().BeLessThan(1e-12);
    }

    private static List<long> RenewalsUntil(long last, LazyRefresh policy, StateBag state, (Tensor From, Tensor To) bases)
    {
        List<long> renewed = [];
        for (long completed = 1; completed <= last; completed++)
            if (policy.IsDue(completed, 0, state))
            {
                policy.Renewed(Change(bases.From, bases.To, state), completed);
                renewed.Add(completed);
            }

        return renewed;
    }

    private static SubspaceChange Change(Tensor from, Tensor to, StateBag state) =>
        new(Projection.Of(from, null), Projection.Of(to, null), from.shape[0], 20, new AdamRule(), state, new StepContext { Step = 1 });
}
