using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Where battery and golden cases run: the device that LRT_DEVICE names, or the CPU.</summary>
/// <remarks>Data are drawn on the CPU and moved, so that every device sees the same.</remarks>
public static class TestDevice
{
    public static Device Current { get; } = new(Environment.GetEnvironmentVariable("LRT_DEVICE") is { Length: > 0 } chosen ? chosen : "cpu");
}
