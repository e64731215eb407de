using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>A way to write a model.</summary>
/// <param name="Build">Makes the model, on a device and in a dtype, as a program does that knows nothing of this library.</param>
/// <param name="Input">A batch of it.</param>
internal sealed record Style(Func<Device, ScalarType, nn.Module<Tensor, Tensor>> Build, Func<Tensor> Input)
{
    /// <param name="build">Makes the model on the CPU in float32, to be moved as a whole.</param>
    /// <param name="input">A batch of it.</param>
    public Style(Func<nn.Module<Tensor, Tensor>> build, Func<Tensor> input) : this((device, dtype) => Moved(build(), device, dtype), input) =>
        CanBeMoved = true;

    /// <value>Whether TorchSharp's <c>to</c> takes the model to another dtype as it is.</value>
    public bool CanBeMoved { get; }

    /// <value>The matrices that methods are put to work on; the methods' own choice when null.</value>
    public Targets? Targets { get; init; }

    /// <summary>A model whose weights follow from the seed.</summary>
    public nn.Module<Tensor, Tensor> Make(long seed, ScalarType dtype = ScalarType.Float32)
    {
        manual_seed(seed);
        return Build(TestDevice.Current, dtype);
    }

    /// <summary>The batch, as a model of a dtype takes it.</summary>
    public Tensor Batch(ScalarType dtype) => Input() is var batch && batch.is_floating_point() ? batch.to(dtype) : batch;

    /// <summary>What such a model says to the batch.</summary>
    public double[] OutputOf(nn.Module<Tensor, Tensor> model, ScalarType dtype = ScalarType.Float32)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return [.. model.call(Batch(dtype)).to(ScalarType.Float64).cpu().contiguous().data<double>()];
    }

    /// <summary>Moves a model to a device, then to a dtype.</summary>
    public static TModel Moved<TModel>(TModel model, Device device, ScalarType dtype) where TModel : nn.Module
    {
        model.to(device);
        if (dtype != ScalarType.Float32)
            model.to(dtype);
        return model;
    }
}
