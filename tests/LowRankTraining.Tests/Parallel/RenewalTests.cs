using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>Subspaces that several processes find from products of their gradients, which never meet.</summary>
public class RenewalTests
{
    private const int L = 80, S = 48, Rows = 24, Steps = 7;

    private static readonly Dictionary<string, GradientSpaceMethod> Methods = new()
    {
        ["warm"] = new GaLore { Rank = 4, RefreshEvery = 2, OnRefresh = MomentCarryOver.Rotate },
        ["ahead"] = new GaLore { Rank = 4, RefreshEvery = 2, Basis = new WarmStartedBasis { Ahead = true } },
        ["sketched"] = new GaLore2 { Rank = 4, RefreshEvery = 2 },
        ["drawn"] = new GaLore { Rank = 4, RefreshEvery = 2, Basis = new RandomOrthonormalBasis() },
        ["mixed with the first moment"] = new LDAdam { Rank = 4, RefreshEvery = 2, Feedback = null },
        ["lazy, in 4 bits"] = new QGaLore { Rank = 4, RefreshEvery = 2, QuantizesWeights = false },
    };

    public static TheoryData<string> All => [.. Methods.Keys];

    public static TheoryData<string> InFullPrecision => [.. Methods.Keys.Where(name => Methods[name].BasisFormat == StateFormat.Float32)];

    [Theory, MemberData(nameof(InFullPrecision))]
    public void Ranks_find_the_subspace_of_one_process(string method)
    {
        var expected = Train(Methods[method], ScalarType.Float64, rows: [Rows], out _);

        var weights = Train(Methods[method], ScalarType.Float64, rows: [5, 0, Rows - 5], out var sent);

        Draw.Error(weights, expected).Should().BeLessThan(1e-9);
        sent.Should().BeLessThan(Steps * S * L * sizeof(double));
    }

    [Theory, MemberData(nameof(All))]
    public void Lanes_have_the_same_bits_on_one_two_four_and_eight_ranks(string method)
    {
        var expected = TrainLanes(Methods[method], ranks: 8);

        TrainLanes(Methods[method], ranks: 4).Should().Equal(expected);
        TrainLanes(Methods[method], ranks: 2).Should().Equal(expected);
        TrainLanes(Methods[method], ranks: 1).Should().Equal(expected);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Gradient_that_is_not_finite_on_one_rank_changes_nothing(double broken) => With(2, ScalarType.Float32, (world, model, optimizer) =>
    {
        Backward(model, step: 1, first: 12 * world.Rank, count: 12);
        if (world.Rank == 1)
            model.parameters().First().grad![0, 0].fill_(broken);
        using var before = Weight(model).clone();

        optimizer.step();

        optimizer.NonFiniteGradients.Should().Be(1);
        optimizer.Refreshes.Should().Be(0);
        Weight(model).eq(before).all().ToBoolean().Should().BeTrue();
    });

    [Fact]
    public void Gradient_of_a_rank_without_tokens_is_not_looked_at() => With(2, ScalarType.Float32, (world, model, optimizer) =>
    {
        Backward(model, step: 1, first: 0, count: Rows);
        optimizer.LocalTokens = world.Rank;
        if (world.Rank == 0)
            model.parameters().First().grad!.fill_(double.NaN);

        optimizer.step();

        optimizer.NonFiniteGradients.Should().Be(0);
        optimizer.Refreshes.Should().Be(1);
    });

    [Theory]
    [InlineData(1e25)]
    [InlineData(0)]
    public void Gradients_too_large_to_be_squared_and_zeros_are_added_up_first(double size) => With(2, ScalarType.Float32, (world, model, optimizer) =>
    {
        Backward(model, step: 1, first: 12 * world.Rank, count: 12);
        model.parameters().First().grad!.mul_(size);

        optimizer.step();

        optimizer.SkippedUpdates.Should().Be(size == 0 ? 1 : 0);
        Weight(model).isfinite().all().ToBoolean().Should().BeTrue();
    });

    private static void With(int ranks, ScalarType dtype, Action<ICollective, Sequential, LowRankOptimizer> work)
    {
        var models = Enumerable.Range(0, ranks).Select(_ => Model(dtype)).ToArray();
        InProcessWorld.Run(ranks, world =>
        {
            using var optimizer = Methods["warm"].Attach(models[world.Rank]).CreateOptimizer(lr: 0.01, world);
            work(world, models[world.Rank], optimizer);
        });
    }

    /// <summary>Trains with clipping on ranks that have so many rows each.</summary>
    private static Tensor Train(GradientSpaceMethod method, ScalarType dtype, int[] rows, out long sent)
    {
        var models = rows.Select(_ => Model(dtype)).ToArray();
        var bytes = new long[rows.Length];
        InProcessWorld.Run(rows.Length, world =>
        {
            var (model, session) = (models[world.Rank], method.Attach(models[world.Rank]));
            using var optimizer = world.Size == 1 ? session.CreateOptimizer(lr: 0.01) : session.CreateOptimizer(lr: 0.01, world);
            for (var step = 1; step <= Steps; step++)
            {
                optimizer.zero_grad();
                if (rows[world.Rank] > 0)
                    Backward(model, step, rows[..world.Rank].Sum(), rows[world.Rank]);
                optimizer.LocalTokens = rows[world.Rank];
                optimizer.clip_grad_norm_(0.01).Should().BeGreaterThan(0.01);
                optimizer.step();
            }

            bytes[world.Rank] = optimizer.BytesSent;
        });
        sent = bytes[0];
        return Weight(models[^1]);
    }

    private static float[] TrainLanes(GradientSpaceMethod method, int ranks)
    {
        const int lanes = 8;
        var models = Enumerable.Range(0, ranks).Select(_ => Model(ScalarType.BFloat16)).ToArray();
        InProcessWorld.Run(ranks, world =>
        {
            var model = models[world.Rank];
            using var optimizer = method.Attach(model).CreateOptimizer(lr: 0.01, world);
            optimizer.CompareEvery = 1;
            for (var step = 1; step <= Steps; step++)
            {
                optimizer.zero_grad();
                for (var lane = world.Rank * lanes / ranks; lane < (world.Rank + 1) * lanes / ranks; lane++)
                {
                    Backward(model, step, lane * Rows / lanes, Rows / lanes, share: (double)ranks / lanes);
                    optimizer.accumulate();
                }

                optimizer.clip_grad_norm_(0.01);
                optimizer.step();
            }
        }, lanes);
        return Weight(models[0]).to(ScalarType.Float32).data<float>().ToArray();
    }

    private static void Backward(Sequential model, int step, int first, int count, double share = 1)
    {
        using var scope = NewDisposeScope();
        var dtype = Weight(model).dtype;
        var input = Draw.Normal(Rows, S, (ulong)step).to(dtype).narrow(0, first, count);
        ((model.call(input) - input.sum(1, keepdim: true).sin()).square().mean() * share).backward();
    }

    private static Tensor Weight(Sequential model) => model.parameters().First().detach();

    private static Sequential Model(ScalarType dtype)
    {
        manual_seed(1);
        return nn.Sequential(("layer", nn.Linear(S, L, hasBias: false, dtype: dtype)));
    }
}
