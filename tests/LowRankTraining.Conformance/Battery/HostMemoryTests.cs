using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Conformance.Golden;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>On a CPU one pass over its memory stands for many operations on tensors, which are what a GPU takes. Here the CPU takes them too, and what comes
/// out must be the same.</summary>
public sealed class HostMemoryTests : IDisposable
{
    private const int Saved = 7, Steps = 14, Width = 24;

    private readonly bool _before = HostMemory.IsUsed;

    public void Dispose() => HostMemory.IsUsed = _before;

    [Theory]
    [GoldenCases]
    public void Golden_case_is_reproduced_by_the_operations_of_a_gpu(string name)
    {
        HostMemory.IsUsed = false;
        var golden = GoldenFolder.Chosen.Case(name);

        Replays.Of(golden).Where(deviation => !(deviation.Relative <= golden.Tolerance)).Should().BeEmpty();
    }

    [Theory, MemberData(nameof(Methods.InSingleAndHalf), MemberType = typeof(Methods))]
    public void Run_that_goes_on_with_the_operations_of_a_gpu_is_the_one_that_stays(string method, ScalarType dtype)
    {
        using var folder = new TemporaryFolder();
        Tensor stayed;
        using (var model = Model(seed: 1, dtype))
        using (var optimizer = Optimizer(method, model))
        {
            HostMemory.IsUsed = true;
            Train(model, optimizer, 1, Saved, dtype);
            TrainingCheckpoint.Save(folder.Path, model, optimizer);
            Train(model, optimizer, Saved + 1, Steps, dtype);
            stayed = Outputs(model, dtype);
        }

        HostMemory.IsUsed = false;
        using var moved = Model(seed: 2, dtype);
        using var resumed = Optimizer(method, moved);
        TrainingCheckpoint.Load(folder.Path, moved, resumed);
        Train(moved, resumed, Saved + 1, Steps, dtype);
        using var end = Outputs(moved, dtype);

        var difference = ((end - stayed).norm() / stayed.norm()).ToDouble();
        stayed.Dispose();

        difference.Should().BeLessThan(Bound(method, dtype));
    }

    /// <summary>How far two runs may be apart: the rounding of sums; where numbers are rounded by drawn ones, which each kind of device draws for itself, that
    /// of the shorter type.</summary>
    private static double Bound(string method, ScalarType dtype) => (method, dtype) switch
    {
        ("switchlora" or "switchlora, hook, ever rarer", ScalarType.BFloat16) => 0.15,    // the weight is rank times larger, and rounded at every exchange
        (_, ScalarType.BFloat16) or ("q-galore", _) => 0.04,
        ("galore, Lion in bfloat16" or "galore, bfloat16 basis and states" or "flora, relative, in bfloat16", _) => 2e-3,
        ("relora, shadow, SVD", _) => 1e-4,                                               // singular vectors of weights that differ by rounding
        _ => 1e-5,
    };

    private static LowRankOptimizer Optimizer(string method, nn.Module model) => Methods.Make(method, rank: 6).Attach(model).CreateOptimizer(lr: 1e-3);

    private static Problems.Mlp Model(long seed, ScalarType dtype)
    {
        random.manual_seed(seed);
        return new(Width, 2 * Width, Width, dtype);
    }

    private static void Train(Problems.Mlp model, LowRankOptimizer optimizer, int first, int last, ScalarType dtype) =>
        Problems.Train(model, optimizer, first, last, Width, Width, dtype);

    /// <summary>What the model makes of one batch: factors that are decomposed may come out with other signs.</summary>
    private static Tensor Outputs(Problems.Mlp model, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var untracked = no_grad();
        return model.call(Problems.Data(64, Width, seed: 3, dtype)).to(ScalarType.Float64).MoveToOuterDisposeScope();
    }
}
