using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>What no projecting method can do without: two products per matrix, the second into the weight, and Adam on the low-rank state.</summary>
internal sealed class Floor : IDisposable
{
    private readonly AdamRule _adam = new();
    private readonly Matrices _matrices;
    private readonly List<(Tensor Basis, bool Left, StateBag State)> _states;

    private Floor(Matrices matrices, List<(Tensor, bool, StateBag)> states) => (_matrices, _states) = (matrices, states);

    public static Floor Of(Matrices matrices, int rank) => new(matrices, [.. matrices.Parameters.Select(pair => pair.parameter.shape)
        .Select(shape => (linalg.qr(randn(shape.Min(), rank)).Q.contiguous(), shape[0] < shape[1], new StateBag()))]);

    public void Step()
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

    public void Dispose()
    {
        foreach (var (basis, _, state) in _states)
        {
            basis.Dispose();
            state.Dispose();
        }
    }
}
