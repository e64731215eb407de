using FluentAssertions;
using LowRankTraining.ByteCounting;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What every method keeps, and what it needs while it works.</summary>
public class MemoryTests
{
    /// <summary>Adam's two moments of both factors; a shadow keeps the factors with them.</summary>
    [Theory]
    [InlineData("relora", 24, 40, 4, 2)]
    [InlineData("relora, hook", 40, 24, 4, 2)]
    [InlineData("relora, shadow", 24, 40, 4, 3)]
    [InlineData("relora, shadow", 6, 30, 20, 3)]
    [InlineData("lora", 6, 30, 20, 2)]
    [InlineData("factorized", 24, 40, 4, 2)]
    [InlineData("cola", 6, 30, 20, 2)]
    public void State_of_factors_has_the_bytes_of_the_formula(string method, int rows, int columns, int rank, int tensors)
    {
        var r = Math.Min(rank, Math.Min(rows, columns));
        StateAfterAStep(method, rows, columns, rank).Should().Be(4 * tensors * r * (rows + columns));
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void No_tensor_leaks_over_1000_steps(string method)
    {
        manual_seed(9);
        using var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.001);
        Problems.Train(model, optimizer, 1, 2 * Methods.Period + 1);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

        Problems.Train(model, optimizer, 2 * Methods.Period + 2, 1000 + 2 * Methods.Period + 1);

        DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.Should().Be(before);
    }

    [Theory]
    [InlineData("galore", 24, 40, 4, 0)]
    [InlineData("galore", 40, 24, 4, 0)]
    [InlineData("galore", 16, 16, 5, 0)]
    [InlineData("galore", 6, 30, 20, 0)]
    [InlineData("fira", 24, 40, 4, 1)]
    [InlineData("fira", 40, 24, 4, 1)]
    public void State_has_the_bytes_of_the_formula(string method, int rows, int columns, int rank, int scalars)
    {
        var (s, l) = (Math.Min(rows, columns), Math.Max(rows, columns));
        var r = Math.Min(rank, s);
        StateAfterAStep(method, rows, columns, rank).Should().Be(4 * (r * (s + 2 * l) + scalars));
    }

    private static long StateAfterAStep(string method, int rows, int columns, int rank)
    {
        using var scope = NewDisposeScope();
        using var model = new Problems.OneMatrix(rows, columns);
        using var optimizer = Methods.Make(method, rank).Attach(model).CreateOptimizer();
        Problems.Step(model, optimizer, Problems.Data(8, columns, seed: 1), Problems.Data(8, rows, seed: 2));
        return optimizer.StateBytes;
    }

    /// <summary>Methods whose state is less than planned: ranks that fall, parameters that are not at turn, weights and factors that are trained one after
    /// the other.</summary>
    private static readonly string[] PlannedAtMost =
        ["adarankgrad", "frugal, blocks", "frugal, blocks, Sinkhorn", "gum", "gum, exact, 8-bit momentum", "relora, warm start", "relora, NF4, warm start"];

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Planned_state_is_the_one_that_is_held(string method) => HoldsWhatIsPlanned(method, ScalarType.Float32);

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Planned_state_is_the_one_that_is_held_in_bfloat16(string method) => HoldsWhatIsPlanned(method, ScalarType.BFloat16);

    [Theory, MemberData(nameof(InFloat64))]
    public void Planned_state_is_the_one_that_is_held_in_float64(string method) => HoldsWhatIsPlanned(method, ScalarType.Float64);

    public static TheoryData<string> InFloat64 => [.. Methods.ByName.Keys.Where(Methods.TakesFloat64)];

    private static void HoldsWhatIsPlanned(string method, ScalarType dtype)
    {
        manual_seed(11);
        using var model = new Problems.Mlp().to(dtype);
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.001);

        Problems.Train(model, optimizer, 1, Methods.Period + 1, dtype: dtype);

        var planned = MemoryPlan.For(optimizer.Session);
        if (PlannedAtMost.Contains(method))
            optimizer.StateBytes.Should().BePositive().And.BeLessThanOrEqualTo(planned.StateBytes);
        else
            optimizer.StateBytes.Should().Be(planned.StateBytes);
    }

    [CountedFact]
    public void No_float_weight_of_an_8_bit_layer_lives_between_forward_and_backward()
    {
        const int Side = 512;
        const long Matrix = Side * Side * 4, Activations = 4 * 8 * Side * 4;
        using var scope = NewDisposeScope();
        using var layer = new Int8Linear(nn.Linear(Side, Side, hasBias: false));
        var input = Problems.Data(8, Side, seed: 1).requires_grad_();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = ByteCounter.Live;

        var loss = layer.call(input).sum();
        var afterForward = ByteCounter.Live - before;
        loss.backward();
        var afterBackward = ByteCounter.Live - before;

        afterForward.Should().BeLessThanOrEqualTo(Activations);
        afterBackward.Should().BeInRange(Matrix, Matrix + Activations, "the gradient is all that is left");
    }

    public static TheoryData<string> Measured => [.. Methods.ByName.Keys.Where(name => !name.Contains("reference", StringComparison.Ordinal))];

    /// <summary>Matrices of scratch that a method may need, refreshes included: one for those that promise it, else two, unless its equations have matrices
    /// of their own.</summary>
    private static int Allowance(string method) => method switch
    {
        "galore" or "galore, staggered" or "fira" or "apollo" or "apollo, mini" => 1,
        "galore, Gram, variance fill" => 5,                  // A Aᵀ, its eigenvectors, and what the decomposition works on
        "sltrain, shadow, from weight and seed" => 5,        // the same, at the first step
        "gum" => 6,                                          // the gradient outside, and what Muon needs
        "muon" => 5,                                         // momentum looking ahead, X and B X; two squares of the short side
        "muon, exact, 8-bit momentum" or "gum, exact, 8-bit momentum" => 16,                 // what float32 cannot tell apart is decomposed in float64
        "dion, orthonormal, 8-bit momentum" => 3,            // the momentum, decoded, the update, and factors
        "mofasgd" or "mofasgd, residual" => 4,               // the update, the residual, and factors of twice the rank
        "galore, sampled" => 5,                              // all eigenvectors of A Aᵀ
        "sinkgd" => 1,                                       // factors of rows and columns: the gradient is scaled into the weight
        "frugal, random" => 3,                               // the basis, drawn and orthonormalized at every use
        "frugal, blocks" or "frugal, blocks, Sinkhorn" => 5, // one parameter's moments come before another's go
        _ when method.StartsWith("gradnormlorp", StringComparison.Ordinal) => 4, // directions before and after
        _ when method.Contains("8-bit error", StringComparison.Ordinal) => 5,    // the error, decoded, beside the mixed matrix
        _ => 2,
    };

    /// <summary>Bytes of a guard's own scalars on top of that.</summary>
    private static int Scalars(string method) => method.Contains("spam", StringComparison.Ordinal) ? 1024 : 0;

    [CountedTheory, MemberData(nameof(Measured))]
    public void Step_needs_little_scratch_whatever_the_number_of_matrices(string method)
    {
        const int Side = 384;
        const long Matrix = Side * Side * 4;
        var few = PeakOfStep(method, matrices: 2, Side);
        var many = PeakOfStep(method, matrices: 8, Side);

        few.Should().BeLessThanOrEqualTo(Allowance(method) * Matrix + Scalars(method));
        many.Should().BeLessThanOrEqualTo(few + Matrix / 8, "a step's peak does not grow with the number of matrices");
    }

    /// <summary>The largest number of bytes above those at rest, over steps with and without refresh.</summary>
    private static long PeakOfStep(string method, int matrices, int side)
    {
        using var scope = NewDisposeScope();
        using var model = new Problems.Chain(matrices, side);
        using var optimizer = Methods.Make(method, rank: 32).Attach(model).CreateOptimizer(lr: 1e-3);

        long peak = 0;
        for (var step = 1; step <= 2 * Methods.Period + 1; step++)
        {
            using (NewDisposeScope())
            {
                optimizer.zero_grad();
                model.call(Problems.Data(8, side, Problems.StepKey(step))).square().mean().backward();
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();

            ByteCounter.ResetPeak();
            var before = ByteCounter.Live;
            optimizer.step();
            peak = Math.Max(peak, ByteCounter.Peak - Math.Max(before, ByteCounter.Live));
        }

        return peak;
    }
}
