using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

/// <summary>A multi-layer perceptron whose layers hang in fields that take any module.</summary>
internal sealed class OpenNetwork : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor> first;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly nn.Module<Tensor, Tensor> second;
    private readonly nn.Module<Tensor, Tensor> lm_head;

    public OpenNetwork(ScalarType dtype = ScalarType.Float32, long inputs = 12, long hidden = 16, long outputs = 6) : base(nameof(OpenNetwork))
    {
        first = nn.Linear(inputs, hidden, dtype: dtype);
        norm = nn.LayerNorm([hidden], dtype: dtype);
        second = nn.Linear(hidden, hidden, hasBias: false, dtype: dtype);
        lm_head = nn.Linear(hidden, outputs, dtype: dtype);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return lm_head.call(second.call(norm.call(first.call(input)).tanh())).MoveToOuterDisposeScope();
    }
}

/// <summary>A multi-layer perceptron whose layers hang in fields of the sealed type.</summary>
internal sealed class SealedNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear first;
    private readonly Linear second;
    private readonly Linear lm_head;
    private readonly bool _passesHooksBy;

    public SealedNetwork(bool passesHooksBy = false, ScalarType dtype = ScalarType.Float32) : base(nameof(SealedNetwork))
    {
        _passesHooksBy = passesHooksBy;
        first = nn.Linear(12, 16, dtype: dtype);
        second = nn.Linear(16, 16, hasBias: false, dtype: dtype);
        lm_head = nn.Linear(16, 6, dtype: dtype);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return Run(lm_head, Run(second, Run(first, input).tanh())).MoveToOuterDisposeScope();
    }

    private Tensor Run(Linear layer, Tensor input) => _passesHooksBy ? layer.forward(input) : layer.call(input);
}

internal static class Training
{
    public static Tensor Normal(ulong seed, ScalarType dtype, params long[] shape)
    {
        using var generator = new Generator(seed, CPU);
        return randn(shape, ScalarType.Float32, CPU, generator: generator).to(dtype);
    }

    /// <summary>Gives every parameter values that depend on nothing but its name.</summary>
    public static TModule Seeded<TModule>(TModule model, ulong seed = 7) where TModule : nn.Module
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (name, parameter) in model.named_parameters())
            parameter.copy_(Normal(seed + (ulong)name.Sum(letter => letter), parameter.dtype, parameter.shape).div(Math.Sqrt(parameter.shape[^1])));
        return model;
    }

    public static Tensor Inputs(nn.Module model, long step = 0) => Normal(1000 + (ulong)step, DtypeOf(model), 10, 12);

    /// <summary>One step on data that depends on the step's number alone.</summary>
    public static double Step(nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        var step = optimizer.CompletedSteps;
        var loss = (model.call(Inputs(model, step)) - Normal(2000 + (ulong)step, DtypeOf(model), 10, 6)).to(ScalarType.Float32).square().mean();
        loss.backward();
        optimizer.step();
        return loss.ToDouble();
    }

    public static void Run(nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer, int steps)
    {
        for (var step = 0; step < steps; step++)
            Step(model, optimizer);
    }

    /// <summary>The model's output for a fixed input, as plain numbers.</summary>
    public static double[] Output(nn.Module<Tensor, Tensor> model)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return [.. model.call(Inputs(model, -1)).to(ScalarType.Float64).reshape(-1).data<double>()];
    }

    public static double[] Values(Tensor tensor)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return [.. tensor.to(ScalarType.Float64).contiguous().reshape(-1).data<double>()];
    }

    public static Dictionary<string, double[]> Weights(nn.Module model) =>
        model.named_parameters().ToDictionary(pair => pair.name, pair => Values(pair.parameter));

    /// <summary>The largest difference, relative to the largest value.</summary>
    public static double Distance(IReadOnlyList<double> actual, IReadOnlyList<double> expected) =>
        actual.Count != expected.Count ? double.PositiveInfinity
        : actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max() / Math.Max(1e-300, expected.Max(Math.Abs));

    private static ScalarType DtypeOf(nn.Module model) => model.parameters().First().dtype;
}
