using FluentAssertions;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class MomentCarryOverTests
{
    private static readonly AdamRule Inner = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Rotating_within_one_subspace_leaves_the_full_moment_as_it_was(bool left)
    {
        using var scope = NewDisposeScope();
        var old = Orthonormal.Columns(Normal(20, 5, 1));
        var turned = old.mm(Orthonormal.Columns(Normal(5, 5, 2)));
        using var state = StateAfterOneStep(left ? Normal(5, 30, 3) : Normal(30, 5, 3));
        var before = Full(old, state["exp_avg"], left);

        MomentCarryOver.Rotate.Apply(Change(state, Make(old, left), Make(turned, left)));

        Full(turned, state["exp_avg"], left).allclose(before, 1e-4, 1e-6).Should().BeTrue();
        state["exp_avg_sq"].min().ToDouble().Should().BeGreaterThanOrEqualTo(0);
    }

    [Fact]
    public void Resetting_forgets_moments_and_clock()
    {
        using var scope = NewDisposeScope();
        var basis = Orthonormal.Columns(Normal(20, 5, 1));
        using var state = StateAfterOneStep(Normal(5, 30, 3));

        MomentCarryOver.Reset.Apply(Change(state, Make(basis, true), Make(basis, true)));

        state.Tensors.Should().BeEmpty();
        state.Counter("step").Should().Be(0);
    }

    [Fact]
    public void Keeping_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var state = StateAfterOneStep(Normal(5, 30, 3));
        var before = state["exp_avg"].clone();

        MomentCarryOver.Keep.Apply(Change(state, Make(Normal(20, 5, 1), true), Make(Normal(20, 5, 2), true)));

        state["exp_avg"].allclose(before, 0, 0).Should().BeTrue();
    }

    private static SubspaceChange Change(StateBag state, Projection from, Projection to) =>
        new(from, to, from.Left?.shape[0] ?? 30, from.Right?.shape[0] ?? 30, Inner, state, new StepContext { Step = 2 });

    private static Projection Make(Tensor basis, bool left) => left ? Projection.Of(basis, null) : Projection.Of(null, basis);

    private static Tensor Full(Tensor basis, Tensor moment, bool left) => left ? basis.mm(moment) : moment.mm(basis.t());

    private static StateBag StateAfterOneStep(Tensor gradient)
    {
        var state = new StateBag();
        Inner.Advance(gradient, state, new StepContext { Step = 1 });
        return state;
    }

    private static Tensor Normal(long rows, long columns, ulong seed)
    {
        using var generator = new Generator(seed, CPU);
        return randn(rows, columns, generator: generator);
    }
}
