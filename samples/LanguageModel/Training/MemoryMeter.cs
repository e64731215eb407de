using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using LowRankTraining.ByteCounting;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Measures the largest memory in use at once, by the best means that this process has.</summary>
/// <remarks>
/// On the CPU: the bytes of all tensors, where they can be counted; else the working set of the process, read after each phase of a step. On CUDA nothing
/// can be read: TorchSharp shows no statistics.
/// </remarks>
public sealed class MemoryMeter
{
    private enum Means { TensorBytes, WorkingSet, None }

    private readonly Means means;
    private long largestWorkingSet;

    /// <summary>A meter that starts now.</summary>
    public MemoryMeter(Device device)
    {
        means = device.type != DeviceType.CPU ? Means.None : ByteCounter.IsAvailable ? Means.TensorBytes : Means.WorkingSet;
        if (means == Means.TensorBytes)
            ByteCounter.ResetPeak();
        Sample();
    }

    /// <value>What <see cref="PeakBytes"/> counts, in words.</value>
    public string Kind => means switch
    {
        Means.TensorBytes => "bytes of all tensors",
        Means.WorkingSet => "working set of the process",
        _ => "not measured on CUDA",
    };

    /// <value>The most bytes in use at once since the start; null when nothing can be measured.</value>
    public long? PeakBytes => means switch
    {
        Means.TensorBytes => ByteCounter.Peak,
        Means.WorkingSet => largestWorkingSet,
        _ => null,
    };

    /// <summary>Looks at the working set, when that is what is measured.</summary>
    public void Sample()
    {
        if (means == Means.WorkingSet)
            largestWorkingSet = Math.Max(largestWorkingSet, Environment.WorkingSet);
    }

    /// <summary>Counting starts with this assembly: a model that is made before a meter is counted as well.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Only the samples use this assembly, and they make no tensor before they use it.")]
    internal static void StartCounting() => _ = ByteCounter.IsAvailable;
}
