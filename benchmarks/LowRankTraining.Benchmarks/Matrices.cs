using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>The projected matrices of a LLaMA configuration, with gradients whose spectrum decays as real ones do.</summary>
internal sealed class Matrices : IDisposable
{
    private Matrices(IReadOnlyList<(string name, Parameter parameter)> parameters) => Parameters = parameters;

    public IReadOnlyList<(string name, Parameter parameter)> Parameters { get; }

    /// <summary>Per layer: four h × h, two i × h, one h × i.</summary>
    public static Matrices Of(int layers, long hidden, long intermediate)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        (string, long, long)[] shapes =
        [
            ("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", hidden, hidden), ("self_attn.v_proj", hidden, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", intermediate, hidden), ("mlp.up_proj", intermediate, hidden), ("mlp.down_proj", hidden, intermediate),
        ];

        var parameters = new List<(string, Parameter)>();
        for (var layer = 0; layer < layers; layer++)
            foreach (var (name, rows, columns) in shapes)
            {
                var weight = new Parameter(randn(rows, columns, generator: generator).mul_(0.02).DetachFromDisposeScope());
                weight.grad = Gradient(rows, columns, generator);
                parameters.Add(($"layers.{layer}.{name}.weight", weight));
            }

        foreach (var (_, parameter) in parameters)
            parameter.DetachFromDisposeScope();
        return new(parameters);
    }

    /// <summary>The 60m configuration: 8 layers of width 512, 56 matrices, 25.3 million weights.</summary>
    public static Matrices Of60M() => Of(layers: 8, hidden: 512, intermediate: 1376);

    /// <summary>One of the 24 layers of the 350m configuration: 7 matrices, 12.6 million weights.</summary>
    public static Matrices OfOneLayerOf350M() => Of(layers: 1, hidden: 1024, intermediate: 2736);

    /// <value>Numbers in all matrices.</value>
    public long Elements => Parameters.Sum(pair => pair.parameter.NumberOfElements);

    public void Dispose()
    {
        foreach (var (_, parameter) in Parameters)
            parameter.Dispose();
    }

    private static Tensor Gradient(long rows, long columns, Generator generator)
    {
        const int Core = 64;
        var decay = arange(Core, ScalarType.Float32).mul_(-0.1).exp_();
        var core = (randn(rows, Core, generator: generator) * decay).mm(randn(Core, columns, generator: generator));
        return core.mul_(1e-3).add_(randn(rows, columns, generator: generator), 1e-4);
    }
}
