using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Measures the largest memory in use at once, by the best means that this process has.</summary>
/// <remarks>
/// On the CPU: the bytes of all tensors, counted by the native part of TorchSharp.SystemLibtorch; or, with the TorchSharp package, which does
/// not count them, the working set of the process, read after each phase of a step. On CUDA nothing can be read: TorchSharp shows no statistics.
/// </remarks>
public sealed partial class MemoryMeter
{
    private enum Means { TensorBytes, WorkingSet, None }

    private readonly Means means;
    private long largestWorkingSet;

    /// <summary>A meter that starts now.</summary>
    public MemoryMeter(Device device)
    {
        means = device.type != DeviceType.CPU ? Means.None : CanCountTensors() ? Means.TensorBytes : Means.WorkingSet;
        if (means == Means.TensorBytes)
            ResetPeak();
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
        Means.TensorBytes => Peak(),
        Means.WorkingSet => largestWorkingSet,
        _ => null,
    };

    /// <summary>Looks at the working set, when that is what is measured.</summary>
    public void Sample()
    {
        if (means == Means.WorkingSet)
            largestWorkingSet = Math.Max(largestWorkingSet, Environment.WorkingSet);
    }

    private static bool CanCountTensors()
    {
        try
        {
            return Live() >= 0;
        }
        catch (Exception missing) when (missing is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("SystemLibtorch", EntryPoint = "lt_memory_live")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory)]
    private static partial long Live();

    [LibraryImport("SystemLibtorch", EntryPoint = "lt_memory_peak")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory)]
    private static partial long Peak();

    [LibraryImport("SystemLibtorch", EntryPoint = "lt_memory_reset_peak")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory)]
    private static partial void ResetPeak();
}
