using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Measures the most memory that a training takes at once, on the CPU.</summary>
/// <remarks>
/// A meter is made before the model. What the process holds at that moment (the runtime, the libraries, the text) is not counted; weights, gradients,
/// activations, the optimizer's state and all scratch are. Made later, it counts what comes later. TorchSharp shows no statistics of a CUDA device, so there nothing is measured.
/// </remarks>
public sealed class MemoryMeter
{
    private readonly ProcessMemory? process;
    private readonly long heldBefore;

    /// <summary>A meter that starts now.</summary>
    public MemoryMeter(Device device)
    {
        if (device.type != DeviceType.CPU)
            return;

        process = new ProcessMemory();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        process.StartPeak();
        heldBefore = process.Bytes;
    }

    /// <value>The most bytes that the process had taken at once, less what it held when this meter was made; null when they cannot be measured.</value>
    public long? PeakProcessBytes => process is null ? null : Math.Max(0, process.PeakBytes - heldBefore);

    /// <summary>Looks at the process, where the system keeps no peak of its own; to be called after each phase of a step.</summary>
    public void Sample() => process?.Look();
}
