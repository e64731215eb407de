using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>FRUGAL's lift, which works in slabs of rows, against the formula on the whole matrix.</summary>
public class StateFreeResidualTests
{
    public static TheoryData<int, int, string, StateFreeStep> Everything
    {
        get
        {
            var data = new TheoryData<int, int, string, StateFreeStep>();
            foreach (var (rows, columns) in new[] { (9, 13), (3000, 500) })
                foreach (var subspace in new[] { "left", "right", "both", "rows", "one row", "columns", "rows and columns" })
                    foreach (var outside in new[] { StateFreeStep.Sign, StateFreeStep.Gradient, StateFreeStep.NormalizedRows, StateFreeStep.Sinkhorn })
                        data.Add(rows, columns, subspace, outside);
            return data;
        }
    }

    [Theory, MemberData(nameof(Everything))]
    public void Update_is_the_one_of_the_formula(int rows, int columns, string subspace, StateFreeStep outside)
    {
        using var scope = NewDisposeScope();
        var gradient = Draw.Normal(rows, columns, 1);
        var (projection, left, right) = Subspace(subspace, rows, columns);
        var inside = projection.Project(gradient);
        var direction = inside.sin();
        var accumulator = zeros(rows, columns, ScalarType.Float64);
        using var state = new StateBag();

        new StateFreeResidual { Scale = 2, ResidualScale = 0.25, Outside = outside }.AddTo(accumulator,
            new LowRankStep(gradient, projection, inside, direction, 0.5), -0.125, state);

        var rest = gradient - Back(inside, left, right);
        var step = outside switch
        {
            StateFreeStep.Sign => rest.sign(),
            StateFreeStep.NormalizedRows => rest / rest.square().mean([1], keepdim: true).sqrt().clamp_min(1e-8),
            StateFreeStep.Sinkhorn => OfOneLength(rest),
            _ => rest,
        };
        var expected = -0.125 * (2 * 0.5 * Back(direction, left, right) + 0.25 * step);
        Draw.Error(accumulator, expected).Should().BeLessThan(1e-12);
    }

    /// <summary>A gradient of low rank with rows of zeros, and a basis that holds all of it but for rounding.</summary>
    [Theory]
    [InlineData(StateFreeStep.Sign, 512, 700, 1.0)]
    [InlineData(StateFreeStep.Sign, 40, 3000, 1e-12)]
    [InlineData(StateFreeStep.Sign, 700, 512, 1e6)]
    [InlineData(StateFreeStep.NormalizedRows, 512, 700, 1.0)]
    [InlineData(StateFreeStep.Sinkhorn, 512, 700, 1.0)]
    public void Rounding_of_what_lies_inside_makes_no_step(StateFreeStep outside, long rows, long columns, double size)
    {
        using var scope = NewDisposeScope();
        var alive = Draw.Normal([rows, 1], 4).gt(0).to(ScalarType.Float64);
        var gradient = (Draw.Normal([rows, 8], 1).mul(alive).mm(Draw.Normal([8, columns], 2)) * size).to(ScalarType.Float32);
        foreach (var isLeft in new[] { true, false })
        {
            var (u, _, vt) = linalg.svd(gradient, fullMatrices: false);
            var projection = isLeft ? Projection.Of(u.narrow(1, 0, 8).contiguous(), null) : Projection.Of(null, vt.narrow(0, 0, 8).t().contiguous());
            var inside = projection.Project(gradient);
            var accumulator = zeros(rows, columns);
            using var state = new StateBag();

            new StateFreeResidual { Outside = outside }.AddTo(accumulator, new LowRankStep(gradient, projection, inside, zeros_like(inside), 1), -1, state);

            accumulator.abs().max().ToDouble().Should().Be(0);
        }
    }

    [Fact]
    public void Without_a_step_outside_only_the_subspace_moves()
    {
        using var scope = NewDisposeScope();
        var (projection, left, right) = Subspace("left", 9, 13);
        var inside = projection.Project(Draw.Normal(9, 13, 1));
        var accumulator = zeros(9, 13, ScalarType.Float64);
        using var state = new StateBag();
        var lift = new StateFreeResidual { Outside = StateFreeStep.None };

        lift.AddTo(accumulator, new LowRankStep(Draw.Normal(9, 13, 1), projection, inside, inside, 1), -0.5, state);

        Draw.Error(accumulator, -0.5 * Back(inside, left, right)).Should().BeLessThan(1e-12);
        lift.NeedsFullGradient.Should().BeFalse();
    }

    /// <summary>Algorithm 3 of SinkGD, five times, with zeros that stay zero: coordinates that are all inside have nothing left.</summary>
    private static Tensor OfOneLength(Tensor x)
    {
        for (var pass = 0; pass < 5; pass++)
            foreach (var axis in new long[] { 1, 0 })
                x = x / x.square().mean([axis], keepdim: true).sqrt().clamp_min(1e-100);
        return x;
    }

    private static (Projection Projection, Tensor? Left, Tensor? Right) Subspace(string kind, int rows, int columns)
    {
        Tensor someRows = tensor(new long[] { 1, rows / 2, rows - 1 }), someColumns = tensor(new long[] { 0, 2, columns - 1 }),
            oneRow = tensor(new long[] { rows - 2 });
        Tensor left = Draw.Basis(rows, 3, 2), right = Draw.Basis(columns, 3, 3);
        return kind switch
        {
            "left" => (Projection.Of(left, null), left, null),
            "right" => (Projection.Of(null, right), null, right),
            "both" => (Projection.Of(left, right), left, right),
            "rows" => (Projection.Of(someRows, null), Ones(rows, someRows), null),
            "one row" => (Projection.Of(oneRow, null), Ones(rows, oneRow), null),
            "columns" => (Projection.Of(null, someColumns), null, Ones(columns, someColumns)),
            _ => (Projection.Of(someRows, someColumns), Ones(rows, someRows), Ones(columns, someColumns)),
        };
    }

    private static Tensor Ones(long length, Tensor coordinates)
    {
        var ones = zeros(length, coordinates.shape[0], ScalarType.Float64);
        foreach (var (row, column) in coordinates.data<long>().ToArray().Select((row, column) => (row, column)))
            ones[row, column] = 1.0;
        return ones;
    }

    private static Tensor Back(Tensor inside, Tensor? left, Tensor? right)
    {
        var rows = left is null ? inside : left.mm(inside);
        return right is null ? rows : rows.mm(right.t());
    }
}
