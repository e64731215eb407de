using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>What a steady step leaves to the garbage collector: for each parameter the objects that stand for its tensors, and little else.</summary>
public class StepAllocationTests
{
    private const int Matrices = 50, Steps = 20;

    /// <summary>Bytes of one TorchSharp tensor.</summary>
    private static readonly long OfTensor = BytesOf(static () => empty(0).Dispose());

    [Fact]
    public void Adam_makes_one_tensor_a_parameter()
    {
        // The gradient as it is read. What does not grow with the parameters is spread over them.
        BytesOfStep(64).Should().BeLessThan(2 * OfTensor);
    }

    [Fact]
    public void GaLore_makes_two_tensors_a_matrix_and_a_projection()
    {
        BytesOfStep(8, 8).Should().BeLessThan(5 * OfTensor);
    }

    /// <summary>Bytes a parameter of these shapes; a matrix is there in any case.</summary>
    private static double BytesOfStep(params long[] shape)
    {
        using var scope = NewDisposeScope();
        (string, Parameter)[] parameters =
        [
            .. Enumerable.Range(0, Matrices).Select(index => ($"parameter{index}", new Parameter(randn(shape)))),
            ("matrix", new Parameter(randn(8, 8))),
        ];
        foreach (var (_, parameter) in parameters)
            parameter.grad = randn(parameter.shape);
        using var optimizer = new GaLore { Rank = 4 }.Attach(parameters).CreateOptimizer(lr: 1e-3);

        return BytesOf(() => optimizer.step()) / (double)parameters.Length;
    }

    private static long BytesOf(Action action)
    {
        for (var warmUp = 0; warmUp < Steps; warmUp++)
            action();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 0; step < Steps; step++)
            action();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / Steps;
    }
}
