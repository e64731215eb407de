using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Several processes that train one model take the steps of one process on the whole batch.</summary>
public class ParallelTests
{
    private const int Steps = 3 * Methods.Period + 2, Rows = 32;

    public static TheoryData<string> InFloat64 => [.. Methods.ByName.Keys.Where(Methods.TakesFloat64)];

    [Theory, MemberData(nameof(InFloat64))]
    public void Three_ranks_equal_one_process_and_count_by_their_tokens(string method)
    {
        var expected = Run(method, [Rows]);

        Distance(Run(method, [5, 0, Rows - 5]), expected).Should().BeLessThan(1e-9);
    }

    public static TheoryData<string> Stepping =>
        [.. Methods.ByName.Keys.Where(name => Methods.TakesFloat64(name) && Methods.Make(name) is UpdateMethod)];

    [Theory, MemberData(nameof(Stepping))]
    public void Updates_in_the_backward_pass_equal_those_of_one_process(string method)
    {
        var expected = Run(method, [Rows], gradients: GradientFlow.Stepped);

        Distance(Run(method, [5, Rows - 5], gradients: GradientFlow.Stepped), expected).Should().BeLessThan(1e-9);
    }

    /// <value>Where a difference in the last bit grows: numbers are rounded to codes or to bfloat16 on the way, vectors are drawn, entries come to stand on the
    /// other side of the noise floor, singular values near zero are brought to 1, or Adam divides by what is rounding alone.</value>
    private static readonly string[] Rounding =
    [
        "relora, NF4, carried residual", "ldadam, 8-bit error", "muon, reference code", "galore, Lion in bfloat16", "galore, bfloat16 basis and states",
        "galore, sampled", "galore, both sides, rotated", "gradnormlorp", "gum", "gum, exact, 8-bit momentum",
        "spectron, exact, 8-bit momentum", "q-galore",
    ];

    public static TheoryData<string> InFloat32 => [.. Methods.ByName.Keys.Except(Rounding)];

    [Theory, MemberData(nameof(InFloat32))]
    public void Four_ranks_equal_one_process_in_float32(string method)
    {
        var expected = Run(method, [Rows], ScalarType.Float32, steps: 50);

        Distance(Run(method, [Rows / 4, Rows / 4, Rows / 4, Rows / 4], ScalarType.Float32, steps: 50), expected).Should().BeLessThan(1e-5);
    }

    /// <summary>A sum that differs in its last bit may be rounded to the next code, which its uniform number decides: one weight in a code apart after fifty
    /// steps, and everything else as with float weights.</summary>
    [Fact]
    public void Four_ranks_keep_weights_in_the_codes_of_one_process_but_for_one()
    {
        var expected = Run("q-galore", [Rows], ScalarType.Float32, steps: 50);

        var values = Run("q-galore", [Rows / 4, Rows / 4, Rows / 4, Rows / 4], ScalarType.Float32, steps: 50);

        int[] apart = [.. Enumerable.Range(0, values.Length).Where(place => Math.Abs(values[place] - expected[place]) == 1)];
        apart.Should().HaveCountLessThanOrEqualTo(1);
        foreach (var place in apart)
            values[place] = expected[place];
        Distance(values, expected).Should().BeLessThan(1e-5);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Lanes_have_the_same_bits_on_one_two_and_four_ranks(string method)
    {
        var expected = Lanes(method, ScalarType.BFloat16, ranks: 4);

        Lanes(method, ScalarType.BFloat16, ranks: 2).Should().Equal(expected);
        Lanes(method, ScalarType.BFloat16, ranks: 1).Should().Equal(expected);
    }

    [Theory, InlineData("galore"), InlineData("galore, both sides, rotated"), InlineData("galore, DCT, lazy"), InlineData("online-subspace-descent")]
    [InlineData("galore, a step ahead"), InlineData("relora, shadow")]
    public void Gradients_that_are_projected_in_the_backward_pass_are_added_up_as_well(string method)
    {
        var expected = Lanes(method, ScalarType.Float32, ranks: 4, GradientFlow.Projected);

        Lanes(method, ScalarType.Float32, ranks: 1, GradientFlow.Projected).Should().Equal(expected);
        Distance(Numbers(expected), Numbers(Lanes(method, ScalarType.Float32, ranks: 2))).Should().BeLessThan(1e-3);
    }

    private static double[] Numbers(byte[] floats) =>
        [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(floats).ToArray().Select(number => (double)number)];

    /// <summary>Trains on ranks that take turns in having so many rows of a batch.</summary>
    /// <returns>The values of the model on the last rank.</returns>
    private static double[] Run(
        string method, int[] rows, ScalarType dtype = ScalarType.Float64, int steps = Steps, GradientFlow gradients = GradientFlow.Whole)
    {
        var models = rows.Select(_ => Model(dtype)).ToArray();
        InProcessWorld.Run(rows.Length, world =>
        {
            var session = Attach(method, models[world.Rank], gradients);
            using var optimizer = world.Size == 1 ? session.CreateOptimizer(lr: 0.01, weight_decay: 0.1) : session.CreateOptimizer(0.01, world, 0.1);
            optimizer.CompareEvery = 1;
            for (var step = 1; step <= steps; step++)
            {
                using var scope = NewDisposeScope();
                var turn = (world.Rank + step) % rows.Length;
                optimizer.zero_grad();
                optimizer.LocalTokens = rows[turn];
                if (rows[turn] > 0)
                    Loss(models[world.Rank], step, rows[..turn].Sum(), rows[turn], dtype).backward();
                optimizer.step();
            }
        });

        using var all = NewDisposeScope();
        return [.. models[^1].state_dict().OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .SelectMany(pair => pair.Value.detach().to(ScalarType.Float64).reshape(-1).data<double>().ToArray())];
    }

    private static byte[] Lanes(string method, ScalarType dtype, int ranks, GradientFlow gradients = GradientFlow.Whole)
    {
        const int lanes = 4;
        var models = Enumerable.Range(0, ranks).Select(_ => Model(dtype)).ToArray();
        InProcessWorld.Run(ranks, world =>
        {
            using var optimizer = Attach(method, models[world.Rank], gradients).CreateOptimizer(lr: 0.01, world, weight_decay: 0.1);
            optimizer.CompareEvery = 1;
            for (var step = 1; step <= Steps; step++)
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                for (var lane = 0; lane < lanes / ranks; lane++)
                {
                    var first = (world.Rank * lanes / ranks + lane) * Rows / lanes;
                    (Loss(models[world.Rank], step, first, Rows / lanes, dtype) / (lanes / ranks)).backward();
                    if (lane < lanes / ranks - 1)
                        optimizer.accumulate();
                }

                optimizer.clip_grad_norm_(0.05);
                optimizer.step();
            }
        }, lanes);

        return Problems.Bits(models[0]);
    }

    private static ILowRankSession Attach(string method, nn.Module model, GradientFlow gradients)
    {
        var strategy = Methods.Make(method);
        return gradients == GradientFlow.Whole ? strategy.Attach(model) : strategy.Attach(model, null, gradients);
    }

    private static Tensor Loss(Problems.Mlp model, int step, int first, int count, ScalarType dtype)
    {
        var input = Problems.Data(Rows, 12, Problems.StepKey(step), dtype);
        var target = input.mm(Problems.Data(12, 8, 7, dtype)).tanh();
        return (model.call(input.narrow(0, first, count)) - target.narrow(0, first, count)).square().mean();
    }

    private static Problems.Mlp Model(ScalarType dtype)
    {
        manual_seed(1);
        return new Problems.Mlp(dtype: dtype);
    }

    private static double Distance(double[] values, double[] expected) =>
        Math.Sqrt(values.Zip(expected).Sum(pair => (pair.First - pair.Second) * (pair.First - pair.Second)) / expected.Sum(value => value * value));
}
