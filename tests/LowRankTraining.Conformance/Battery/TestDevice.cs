using System.Runtime.CompilerServices;
using LowRankTraining.Numerics;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Where battery and golden cases run: the device that LRT_DEVICE names, or the CPU. <c>LRT_DEVICE=cpu-as-gpu</c> has the CPU take the operations
/// that a GPU would.</summary>
/// <remarks>Data are drawn on the CPU and moved, so that every device sees the same.</remarks>
public static class TestDevice
{
    private const string AsGpu = "cpu-as-gpu";

    private static readonly string Chosen = Environment.GetEnvironmentVariable("LRT_DEVICE") is { Length: > 0 } chosen ? chosen : "cpu";

    public static Device Current { get; } = new(Chosen == AsGpu ? "cpu" : Chosen);

#pragma warning disable CA2255 // The switch must be thrown before the first test of this program, whichever that is.
    [ModuleInitializer]
    internal static void Begin() => HostMemory.IsUsed = Chosen != AsGpu;
#pragma warning restore CA2255
}
