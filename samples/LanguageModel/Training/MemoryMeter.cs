using LowRankTraining.ByteCounting;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Measures the most memory that a training takes at once, on the CPU: of all tensors, exactly, and of the process.</summary>
/// <remarks>
/// A meter is made before the model. What there is at that moment (the runtime, the libraries, the text) is not counted; weights, gradients,
/// activations, the optimizer's state and all scratch are. Made later, it counts what comes later. TorchSharp shows no statistics of a CUDA device, so there
/// nothing is measured.
/// </remarks>
public sealed class MemoryMeter
{
    private readonly bool countsTensors;
    private readonly ProcessMemory? process;
    private readonly long tensorsBefore;
    private readonly long processBefore;

    /// <summary>A meter that starts now.</summary>
    public MemoryMeter(Device device)
    {
        if (device.type != DeviceType.CPU)
            return;

        // What nobody needs any more must not be freed later, as if the training had given it back.
        GC.Collect();
        GC.WaitForPendingFinalizers();

        if (countsTensors = ByteCounter.IsAvailable)
        {
            ByteCounter.ResetPeak();
            tensorsBefore = ByteCounter.Live;
        }

        process = new ProcessMemory();
        process.StartPeak();
        processBefore = process.Bytes;
    }

    /// <value>The most bytes of tensors at once, less those when this meter was made; null where they cannot be counted.</value>
    public long? PeakTensorBytes => countsTensors ? ByteCounter.Peak - tensorsBefore : null;

    /// <value>The most bytes that the process had taken at once, less what it held when this meter was made; null where they cannot be measured.</value>
    public long? PeakProcessBytes => process is null ? null : Math.Max(0, process.PeakBytes - processBefore);

    /// <summary>Looks at the process, where the system keeps no peak of its own; to be called after each phase of a step.</summary>
    public void Sample() => process?.Look();
}
