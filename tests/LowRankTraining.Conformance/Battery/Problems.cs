using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Small problems with a known answer.</summary>
public static class Problems
{
    /// <summary>A single linear layer y = x Wᵀ of the given shape.</summary>
    public sealed class OneMatrix : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> layer;

        public OneMatrix(long rows, long columns, ScalarType dtype = ScalarType.Float32) : base("one_matrix")
        {
            layer = nn.Linear(columns, rows, hasBias: false, dtype: dtype);
            RegisterComponents();
            this.to(TestDevice.Current);
        }

        public override Tensor forward(Tensor input) => layer.call(input);
    }

    /// <summary>Two linear layers with biases and a tanh in between.</summary>
    public sealed class Mlp : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> first, second;

        public Mlp(long inputs = 12, long hidden = 24, long outputs = 8, ScalarType dtype = ScalarType.Float32) : base("mlp")
        {
            first = nn.Linear(inputs, hidden, dtype: dtype);
            second = nn.Linear(hidden, outputs, dtype: dtype);
            RegisterComponents();
            this.to(TestDevice.Current);
        }

        public override Tensor forward(Tensor input)
        {
            using var hidden = first.call(input);
            using var active = hidden.tanh();
            return second.call(active);
        }
    }

    /// <summary>Square layers without biases, one after the other.</summary>
    public sealed class Chain : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleList<OneMatrix> layers;

        public Chain(int length, long width) : base("chain")
        {
            layers = nn.ModuleList(Enumerable.Range(0, length).Select(_ => new OneMatrix(width, width)).ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => layers.Aggregate(input, (hidden, layer) => layer.call(hidden));
    }

    public static Tensor Data(long rows, long columns, ulong seed, ScalarType dtype = ScalarType.Float32)
    {
        using var generator = new Generator(seed, CPU);
        return randn(rows, columns, ScalarType.Float32, generator: generator).to(dtype).to(TestDevice.Current);
    }

    /// <summary>Mean squared error, backward, step; returns the loss.</summary>
    public static double Step(nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer, Tensor input, Tensor target)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        var loss = (model.call(input) - target).to(ScalarType.Float32).square().mean();
        loss.backward();
        optimizer.step();
        return loss.ToDouble();
    }

    /// <summary>Every value of a model that training changes, in order, as bytes.</summary>
    public static byte[] Bits(nn.Module model)
    {
        using var scope = NewDisposeScope();
        return [.. model.state_dict().OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .SelectMany(pair => pair.Value.detach().cpu().contiguous().bytes.ToArray())];
    }

    public static ulong StepKey(int step) => 1000UL + (ulong)step;

    /// <summary>Runs steps first..last of a regression whose batches depend on the step's number only.</summary>
    public static double Train(nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer, int first, int last, long inputs = 12, long outputs = 8,
        ScalarType dtype = ScalarType.Float32)
    {
        var loss = double.NaN;
        for (var step = first; step <= last; step++)
        {
            using var scope = NewDisposeScope();
            var input = Data(32, inputs, StepKey(step), dtype);
            var target = input.mm(Data(inputs, outputs, 7, dtype)).tanh();
            loss = Step(model, optimizer, input, target);
        }

        return loss;
    }
}
