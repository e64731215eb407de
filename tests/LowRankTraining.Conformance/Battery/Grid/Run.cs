using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>A model of a style, with a method at work on it.</summary>
internal sealed class Run : IDisposable
{
    private readonly Style _style;
    private readonly ScalarType _dtype;

    /// <param name="style">How the model is written.</param>
    /// <param name="method">What trains it.</param>
    /// <param name="seed">Of the model's weights.</param>
    /// <param name="dtype">What the model is moved to before the method comes.</param>
    /// <param name="thenTo">What it is moved to between that and the optimizer; null for nothing.</param>
    public Run(Style style, ILowRankStrategy method, long seed = 1, ScalarType dtype = ScalarType.Float32, ScalarType? thenTo = null)
    {
        (_style, _dtype, Model) = (style, thenTo ?? dtype, style.Make(seed, dtype));
        var session = method.Attach(Model, style.Targets);
        if (thenTo is { } moved)
            Model.to(moved);
        Optimizer = session.CreateOptimizer(lr: 0.02);
    }

    public Run(string style, string method, long seed = 1, ScalarType dtype = ScalarType.Float32, ScalarType? thenTo = null)
        : this(Styles.ByName[style], Methods.Make(method), seed, dtype, thenTo) { }

    public nn.Module<Tensor, Tensor> Model { get; }

    public LowRankOptimizer Optimizer { get; }

    /// <summary>Goes on until so many steps are done, all on the same batch.</summary>
    /// <returns>The losses before each step.</returns>
    public double[] Until(int steps) => [.. Enumerable.Range(0, steps - (int)Optimizer.CompletedSteps).Select(_ => Step())];

    /// <summary>What the model says to the batch.</summary>
    public double[] Output() => _style.OutputOf(Model, _dtype);

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
    }

    private double Step()
    {
        using var scope = NewDisposeScope();
        Optimizer.zero_grad();
        var output = Model.call(_style.Batch(_dtype)).to(ScalarType.Float32);
        var target = Problems.Data(output.shape[0], output.numel() / output.shape[0], seed: 21).reshape(output.shape);
        var loss = (output - target).square().mean();
        loss.backward();
        Optimizer.step();
        return loss.ToDouble();
    }
}
