using BenchmarkDotNet.Attributes;
using LowRankTraining.Rules;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>What no projecting method can do without: two products per matrix, the second into the weight, and Adam on the low-rank state.</summary>
public class FloorBenchmarks
{
    private readonly AdamRule _adam = new();
    private Matrices _matrices = null!;
    private List<(Tensor Basis, bool Left, StateBag State)> _states = null!;

    [Params(128)]
    public int Rank { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _matrices = Matrices.Of60M();
        _states = [.. _matrices.Parameters.Select(pair => pair.parameter.shape)
            .Select(shape => (linalg.qr(randn(shape.Min(), Rank)).Q.contiguous(), shape[0] < shape[1], new StateBag()))];
    }

    [Benchmark]
    public void TwoProductsAndAdam()
    {
        using var grad = no_grad();
        foreach (var ((_, weight), (basis, left, state)) in _matrices.Parameters.Zip(_states))
        {
            using var scope = NewDisposeScope();
            var gradient = weight.grad!;
            var inside = left ? basis.t().mm(gradient) : gradient.mm(basis);
            var (direction, correction) = _adam.Advance(inside, state, new StepContext { Step = 1 });
            if (left)
                weight.addmm_(basis, direction, 1, (float)(-1e-2 * correction));
            else
                weight.addmm_(direction, basis.t(), 1, (float)(-1e-2 * correction));
        }
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var (basis, _, state) in _states)
        {
            basis.Dispose();
            state.Dispose();
        }

        _matrices.Dispose();
    }
}
