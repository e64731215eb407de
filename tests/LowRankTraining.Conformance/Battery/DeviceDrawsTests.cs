using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>A GPU draws its numbers otherwise than a CPU, since TorchSharp has generators of the CPU alone. Here the CPU draws them so, and takes a GPU's
/// operations: every method trains as well, and a run that is resumed draws the same numbers.</summary>
public sealed class DeviceDrawsTests : IDisposable
{
    private const int Saved = 7, Steps = 40, Width = 24;

    private readonly bool _before = HostMemory.IsUsed;

    public DeviceDrawsTests() => (HostMemory.IsUsed, RandomTensors.IsByPlace) = (false, true);

    public void Dispose() => (HostMemory.IsUsed, RandomTensors.IsByPlace) = (_before, false);

    [Theory, MemberData(nameof(Methods.InSingleAndHalf), MemberType = typeof(Methods))]
    public void Run_is_resumed_bit_for_bit_and_as_good_as_one_with_the_numbers_of_a_CPU(string method, ScalarType dtype)
    {
        using var folder = new TemporaryFolder();
        using Problems.Mlp model = Model(dtype), resumed = Model(dtype), usual = Model(dtype);
        Train(method, model, 1, Steps, dtype, folder, saves: true);
        Train(method, resumed, Saved + 1, Steps, dtype, folder, saves: false);
        RandomTensors.IsByPlace = false;
        Train(method, usual, 1, Steps, dtype, folder, saves: false);

        Problems.Bits(resumed).Should().Equal(Problems.Bits(model));
        Loss(model, dtype).Should().BeLessThan(1.5 * Loss(usual, dtype));
    }

    private static void Train(string method, Problems.Mlp model, int first, int last, ScalarType dtype, TemporaryFolder folder, bool saves)
    {
        using var optimizer = Methods.Make(method, rank: 6).Attach(model).CreateOptimizer(lr: 1e-3);
        if (first > 1)
            TrainingCheckpoint.Load(folder.Path, model, optimizer);
        if (saves)
        {
            Problems.Train(model, optimizer, first, Saved, Width, Width, dtype);
            TrainingCheckpoint.Save(folder.Path, model, optimizer);
            first = Saved + 1;
        }

        Problems.Train(model, optimizer, first, last, Width, Width, dtype);
    }

    private static double Loss(Problems.Mlp model, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var untracked = no_grad();
        var input = Problems.Data(256, Width, seed: 3, dtype);
        return (model.call(input) - input.tanh()).to(ScalarType.Float64).square().mean().ToDouble();
    }

    private static Problems.Mlp Model(ScalarType dtype)
    {
        random.manual_seed(1);
        return new(Width, 2 * Width, Width, dtype);
    }
}
