using LowRankTraining.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>Matrices as the linear layers that they come from, for the methods that put layers of their own in the place of these.</summary>
internal static class Layered
{
    /// <summary>A model of linear layers with copies of the matrices, which is never run.</summary>
    public static nn.Module Model(IEnumerable<(string name, Parameter parameter)> parameters) => new Stack(parameters.Select(pair => pair.parameter));

    /// <summary>Puts a method to work on copies of the matrices, and gives its factors the gradients that follow from those of the matrices.</summary>
    public static ILowRankSession Attach(ILowRankStrategy strategy, IEnumerable<(string name, Parameter parameter)> parameters)
    {
        var given = parameters.Select(pair => pair.parameter).ToArray();
        var model = new Stack(given);
        var session = strategy.Attach(model, Targets.AllLinear());

        foreach (var (layer, matrix) in model.Layers.Zip(given))
            layer.Learn(matrix);
        return session;
    }

    /// <summary>The share of singular values to take away that leaves so many in the mean.</summary>
    public static double ReductionTo(int rank, IEnumerable<(string name, Parameter parameter)> parameters) =>
        Math.Clamp(1 - rank / parameters.Average(pair => pair.parameter.shape.Min()), 0.01, 0.99);

    private sealed class Stack : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleList<Layer> layers;

        public Stack(IEnumerable<Parameter> matrices) : base(nameof(Stack))
        {
            layers = nn.ModuleList(matrices.Select(matrix => new Layer(matrix)).ToArray());
            RegisterComponents();
        }

        public IEnumerable<Layer> Layers => layers;

        public override Tensor forward(Tensor input) => layers.Aggregate(input, (hidden, layer) => layer.call(hidden));
    }

    private sealed class Layer : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> linear;

        public Layer(Parameter matrix) : base(nameof(Layer))
        {
            using var guard = no_grad();
            var plain = nn.Linear(matrix.shape[1], matrix.shape[0], hasBias: false);
            plain.weight!.copy_(matrix);
            linear = plain;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => linear.call(input);

        /// <summary>∂U = G Vᵀ and ∂V = Uᵀ G.</summary>
        public void Learn(Parameter matrix)
        {
            using var guard = no_grad();
            var factors = (FactorizedLinear)linear;
            using var gradient = matrix.grad!;
            factors.factor_U.grad = gradient.mm(factors.factor_V.t());
            factors.factor_V.grad = factors.factor_U.t().mm(gradient);
        }
    }
}
