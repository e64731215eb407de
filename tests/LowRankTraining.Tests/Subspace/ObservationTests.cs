using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>What a rule sees of gradients besides their projection, when they are given by their factors.</summary>
public class ObservationTests
{
    private const int Tokens = 17, Rank = 3;

    [Theory]
    [InlineData(8, 12)]
    [InlineData(12, 8)]
    public void Next_subspace_is_found_from_all_micro_batches_of_the_update_before(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new SubspaceRule { Rank = Rank, RefreshEvery = 2, Basis = new WarmStartedBasis { Ahead = true } };
        var weight = zeros(rows, columns, ScalarType.Float64);
        rule.AddUpdate(Draw.Normal(rows, columns, 1), weight, -1, state, new() { Step = 1 });
        var first = state["basis"].clone();
        var sketch = zeros(Math.Min(rows, columns), Rank, ScalarType.Float64);

        for (var batch = 0; batch < 3; batch++)
        {
            var (delta, input) = Factors(rows, columns, batch);
            rule.TryAccumulateProduct(delta, input, state, new() { Step = 2 }).Should().BeTrue();
            var gradient = delta.t().mm(input);
            var compressed = rows < columns ? gradient : gradient.t();
            sketch += compressed.mm(compressed.t().mm(first));
        }

        rule.AddAccumulated(weight, -1, state, new() { Step = 2 });

        Draw.Angle(state["basis"], linalg.qr(sketch).Q).Should().BeLessThan(1e-12);
        Draw.Angle(state["basis"], first).Should().BeGreaterThan(0.01);
        rule.NeedsOnlyProjection(state, new() { Step = 3 }).Should().BeTrue("its subspace is there");
        var (late, into) = Factors(rows, columns, 9);
        rule.TryAccumulateProduct(late, into, state, new() { Step = 3 }).Should().BeTrue();
        state.Tensors.Should().NotContainKey("sketch");
    }

    [Fact]
    public void Window_that_is_dropped_finds_no_subspace()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new SubspaceRule { Rank = Rank, RefreshEvery = 2, Basis = new WarmStartedBasis { Ahead = true } };
        var weight = zeros(8, 12, ScalarType.Float64);
        rule.AddUpdate(Draw.Normal(8, 12, 1), weight, -1, state, new() { Step = 1 });
        var (delta, input) = Factors(8, 12, 1);
        rule.TryAccumulateProduct(delta, input, state, new() { Step = 2 }).Should().BeTrue();

        rule.DropAccumulated(state);

        state.Tensors.Should().NotContainKey("sketch").And.NotContainKey("accumulated");
    }

    [Fact]
    public void Broken_sketch_leaves_the_subspace_to_the_update_that_needs_it()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new SubspaceRule { Rank = Rank, RefreshEvery = 2, Basis = new WarmStartedBasis { Ahead = true } };
        var weight = zeros(8, 12);
        var gradient = Draw.Normal(8, 12, 1).to(ScalarType.Float32);
        rule.AddUpdate(gradient, weight, -1, state, new() { Step = 1 });

        var (delta, input) = Factors(8, 12, 1);
        rule.TryAccumulateProduct((1e25 * delta).to(ScalarType.Float32), input.to(ScalarType.Float32), state, new() { Step = 2 }).Should().BeTrue();
        rule.AddAccumulated(weight, -1, state, new() { Step = 2 });

        state.Counter("updates").Should().Be(2, "the projection itself can be used");
        rule.NeedsOnlyProjection(state, new() { Step = 3 }).Should().BeFalse();
        rule.AddUpdate(gradient, weight, -1, state, new() { Step = 3 });
        state["basis"].isfinite().all().ToBoolean().Should().BeTrue();
        weight.isfinite().all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Captured_share_is_that_of_the_first_micro_batch()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var refresh = new Recording();
        var rule = new SubspaceRule { Rank = Rank, Refresh = refresh };
        var weight = zeros(8, 12, ScalarType.Float64);
        rule.AddUpdate(Draw.Normal(8, 12, 1), weight, -1, state, new() { Step = 1 });
        var basis = state["basis"];

        for (var batch = 0; batch < 2; batch++)
        {
            var (delta, input) = Factors(8, 12, batch);
            rule.TryAccumulateProduct(delta, input, state, new() { Step = 2 }).Should().BeTrue();
        }

        rule.AddAccumulated(weight, -1, state, new() { Step = 2 });

        var (first, from) = Factors(8, 12, 0);
        var gradient = first.t().mm(from);
        refresh.Shares[^1].Should().BeApproximately((basis.t().mm(gradient).norm() / gradient.norm()).ToDouble(), 1e-12);
    }

    private static (Tensor Delta, Tensor Input) Factors(int rows, int columns, int batch) =>
        (Draw.Normal(Tokens, rows, (ulong)batch + 10), Draw.Normal(Tokens, columns, (ulong)batch + 20));

    private sealed record Recording : IRefreshPolicy
    {
        public List<double> Shares { get; } = [];

        public void Check(Checks checks) { }

        public bool IsDue(long completed, int index, StateBag state) => false;

        public bool AsksForShare(long completed, StateBag state) => true;

        public void Observe(Tensor lowRank, Tensor? share, long completed, StateBag state) => Shares.Add(share!.ToDouble());
    }
}
