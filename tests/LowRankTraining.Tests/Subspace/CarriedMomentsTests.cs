using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>Moments that follow a change of subspace, against the equations written out in double precision.</summary>
public class CarriedMomentsTests
{
    private const int Rows = 9, Columns = 11, Rank = 3, Steps = 4;

    private static readonly AdamRule Inner = new() { Beta1 = 0.8, Beta2 = 0.95 };

    private static readonly Dictionary<string, MomentCarryOver> Rules = new()
    {
        ["rotate"] = MomentCarryOver.Rotate,
        ["projection-aware"] = MomentCarryOver.ProjectionAware,
        ["variance fill"] = MomentCarryOver.VarianceFill,
    };

    public static TheoryData<string, bool, bool> EverySide
    {
        get
        {
            var data = new TheoryData<string, bool, bool>();
            foreach (var rule in Rules.Keys)
                foreach (var (left, right) in new[] { (true, false), (false, true), (true, true) })
                    data.Add(rule, left, right);
            return data;
        }
    }

    [Theory, MemberData(nameof(EverySide))]
    public void Moments_follow_the_equations(string rule, bool left, bool right)
    {
        using var scope = NewDisposeScope();
        var (from, to) = (Subspace(left, right, 1), Between(Subspace(left, right, 1), Subspace(left, right, 2)));
        using var state = Moments(from, seed: 3);
        var (mean, square) = Expected(rule, from, to, state["exp_avg"].clone(), state["exp_avg_sq"].clone());

        Rules[rule].Apply(Change(state, from, to));

        Draw.Error(state["exp_avg"], mean).Should().BeLessThan(1e-12);
        Draw.Error(state["exp_avg_sq"], square).Should().BeLessThan(1e-12);
    }

    [Theory, MemberData(nameof(EverySide))]
    public void Second_moment_is_never_negative(string rule, bool left, bool right)
    {
        using var scope = NewDisposeScope();
        for (ulong draw = 1; draw <= 20; draw++)
        {
            var from = Subspace(left, right, draw);
            using var state = Moments(from, seed: draw, mean: 3);

            Rules[rule].Apply(Change(state, from, Subspace(left, right, draw + 100)));

            state["exp_avg_sq"].min().ToDouble().Should().BeGreaterThanOrEqualTo(0);
        }
    }

    [Theory, MemberData(nameof(EverySide))]
    public void Within_one_span_the_first_moment_of_the_whole_matrix_stays(string rule, bool left, bool right)
    {
        using var scope = NewDisposeScope();
        var from = Subspace(left, right, 1);
        var turn = Draw.Basis(Rank, Rank, 5);
        var to = Projection.Of(from.Left?.mm(turn), from.Right?.mm(turn));
        using var state = Moments(from, seed: 3);
        var before = Whole(from, state["exp_avg"]);

        Rules[rule].Apply(Change(state, from, to));

        Draw.Error(Whole(to, state["exp_avg"]), before).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void New_direction_gets_the_mean_variance_of_the_old_ones()
    {
        using var scope = NewDisposeScope();
        var axes = eye(Rows, dtype: ScalarType.Float64);
        var from = Projection.Of(axes.narrow(1, 0, 3).contiguous(), null);
        var to = Projection.Of(stack([axes.select(1, 0), axes.select(1, 1), axes.select(1, 5)], 1), null);
        using var state = Moments(from, seed: 3);
        var square = state["exp_avg_sq"].clone();

        MomentCarryOver.VarianceFill.Apply(Change(state, from, to));

        Draw.Error(state["exp_avg_sq"].select(0, 2), square.mean([0])).Should().BeLessThan(1e-12);
        state["exp_avg"].select(0, 2).abs().max().ToDouble().Should().Be(0);
    }

    [Fact]
    public void New_direction_has_no_variance_without_the_fill()
    {
        using var scope = NewDisposeScope();
        var axes = eye(Rows, dtype: ScalarType.Float64);
        var from = Projection.Of(axes.narrow(1, 0, 3).contiguous(), null);
        var to = Projection.Of(axes.narrow(1, 3, 3).contiguous(), null);
        using var state = Moments(from, seed: 3);

        MomentCarryOver.ProjectionAware.Apply(Change(state, from, to));

        state["exp_avg_sq"].abs().max().ToDouble().Should().Be(0);
    }

    [Theory]
    [InlineData("rotate", 5)]
    [InlineData("rotate", 2)]
    [InlineData("projection-aware", 5)]
    [InlineData("variance fill", 2)]
    public void Moments_change_their_rank_with_the_subspace(string rule, int rank)
    {
        using var scope = NewDisposeScope();
        var from = Subspace(true, false, 1);
        var wider = linalg.qr(cat([from.Left!, Draw.Normal(Rows, 4, 2)], 1)).Q;
        var to = Projection.Of(wider.narrow(1, 0, rank).contiguous(), null);
        using var state = Moments(from, seed: 3);
        var inside = to.Left!.mm(to.Left.t()).mm(Whole(from, state["exp_avg"]));

        Rules[rule].Apply(Change(state, from, to));

        Draw.Error(Whole(to, state["exp_avg"]), inside).Should().BeLessThan(1e-12);
        state["exp_avg_sq"].shape.Should().Equal(rank, Columns);
    }

    [Fact]
    public void Between_sets_of_coordinates_moments_are_picked()
    {
        using var scope = NewDisposeScope();
        var from = Projection.Of(tensor(new long[] { 1, 4, 6 }), null);
        var to = Projection.Of(tensor(new long[] { 0, 4, 6 }), null);
        using var state = new StateBag();
        state.Set("exp_avg", Draw.Normal(3, Columns, 1).to(ScalarType.Float32));
        state.Set("exp_avg_sq", Draw.Normal(3, Columns, 2).square().to(ScalarType.Float32));
        state.SetCounter("step", Steps);
        var (mean, square) = (state["exp_avg"].clone(), state["exp_avg_sq"].clone());

        MomentCarryOver.Rotate.Apply(Change(state, from, to));

        var kept = tensor(new double[] { 0, 1, 1 }).unsqueeze(1);
        Draw.Error(state["exp_avg"], mean.to(ScalarType.Float64) * kept).Should().Be(0);
        Draw.Error(state["exp_avg_sq"], square.to(ScalarType.Float64) * kept).Should().Be(0);
    }

    private static (Tensor Mean, Tensor Square) Expected(string rule, Projection from, Projection to, Tensor mean, Tensor square)
    {
        var left = from.Left is null ? eye(Rows, dtype: ScalarType.Float64) : to.Left!.t().mm(from.Left);
        var right = from.Right is null ? eye(Columns, dtype: ScalarType.Float64) : to.Right!.t().mm(from.Right);
        Tensor Turned(Tensor x) => left.mm(x).mm(right.t());
        Tensor TurnedSquares(Tensor x) => left.pow(2).mm(x).mm(right.pow(2).t());

        var (weight1, weight2) = (1 - Math.Pow(0.8, Steps), 1 - Math.Pow(0.95, Steps));
        if (rule == "rotate")
            return (Turned(mean), TurnedSquares(square));

        var (meanHat, squareHat) = (mean / weight1, square / weight2);
        var variance = squareHat - meanHat.pow(2);
        var carriedMean = (Turned(mean) / weight1).pow(2);
        if (rule == "projection-aware")
            return (Turned(mean), weight2 * (TurnedSquares(variance) + carriedMean).abs());

        var known = left.pow(2).sum(1L, keepdim: true).mm(right.pow(2).sum(1L, keepdim: true).t());
        var typical = squareHat;
        if (from.Left is not null)
            typical = typical.mean([0], keepdim: true);
        if (from.Right is not null)
            typical = typical.mean([1], keepdim: true);
        return (Turned(mean), weight2 * (TurnedSquares(variance.clamp_min(0)) + carriedMean + (1 - known).clamp_min(0) * typical));
    }

    private static Projection Subspace(bool left, bool right, ulong seed) =>
        Projection.Of(left ? Draw.Basis(Rows, Rank, seed) : null, right ? Draw.Basis(Columns, Rank, seed + 50) : null);

    private static Projection Between(Projection one, Projection other) => Projection.Of(Between(one.Left, other.Left), Between(one.Right, other.Right));

    private static Tensor? Between(Tensor? one, Tensor? other) => one is null ? null : linalg.qr(one + 0.7 * other!).Q;

    private static StateBag Moments(Projection subspace, ulong seed, double mean = 1)
    {
        var shape = subspace.ShapeOf(Rows, Columns);
        var state = new StateBag();
        state.Set("exp_avg", Draw.Normal(shape, seed) * mean);
        state.Set("exp_avg_sq", Draw.Normal(shape, seed + 10).pow(2));
        state.SetCounter("step", Steps);
        return state;
    }

    private static SubspaceChange Change(StateBag state, Projection from, Projection to) =>
        new(from, to, Rows, Columns, Inner, state, new StepContext { Step = Steps + 1 });

    private static Tensor Whole(Projection subspace, Tensor moment)
    {
        var rows = subspace.Left is { } left ? left.mm(moment) : moment;
        return subspace.Right is { } right ? rows.mm(right.t()) : rows;
    }
}
