using System.Runtime.InteropServices;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Bytes of CPU tensor storage, counted by the system provider's allocator; absent under the package provider.</summary>
internal static partial class ByteCounter
{
    private const string Library = "SystemLibtorch";

    public static bool IsAvailable { get; } = NativeLibrary.TryLoad(Library, typeof(ByteCounter).Assembly, null, out _);

    public static long Live => lt_memory_live();

    public static long Peak => lt_memory_peak();

    public static void ResetPeak() => lt_memory_reset_peak();

    [LibraryImport(Library)]
    private static partial long lt_memory_live();

    [LibraryImport(Library)]
    private static partial long lt_memory_peak();

    [LibraryImport(Library)]
    private static partial void lt_memory_reset_peak();
}
