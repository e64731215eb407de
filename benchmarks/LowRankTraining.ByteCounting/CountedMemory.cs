using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.ByteCounting;

/// <summary>What stands in for the system's allocation and release: both count, and leave the work to the system.</summary>
/// <remarks>
/// Every counted block is 16 bytes longer than it was asked for. Its last 16 bytes hold a mark, which depends on the address, and the size that was asked
/// for: so a block from before is told from a counted one without a table, a lock or managed memory, on whatever thread. No initializers here: nothing may
/// have to run before a call.
/// </remarks>
internal static unsafe class CountedMemory
{
    private const int Trailer = 16;
    private const long Key = 0x5bd1e9955bd1e995;

    private static delegate* unmanaged<void**, nuint, nuint, int> _allocate;
    private static delegate* unmanaged<void*, void> _free;
    private static delegate* unmanaged<void*, nuint> _usableSize;
    private static long _live, _peak, _allocations;

    public static long Live => Volatile.Read(ref _live);

    public static long Peak => Volatile.Read(ref _peak);

    public static long Allocations => Volatile.Read(ref _allocations);

    public static nint Allocate => (nint)(delegate* unmanaged<void**, nuint, nuint, int>)&AllocateCounted;

    public static nint Free => (nint)(delegate* unmanaged<void*, void>)&FreeCounted;

    /// <summary>Names the system's functions; before anything is redirected.</summary>
    public static void Use(nint allocate, nint free, nint usableSize)
    {
        _allocate = (delegate* unmanaged<void**, nuint, nuint, int>)allocate;
        _free = (delegate* unmanaged<void*, void>)free;
        _usableSize = (delegate* unmanaged<void*, nuint>)usableSize;
    }

    public static void ResetPeak() => Interlocked.Exchange(ref _peak, Live);

    [UnmanagedCallersOnly]
    private static int AllocateCounted(void** block, nuint alignment, nuint size)
    {
        // The system refuses such a size; with the trailer it would wrap to a small one.
        if (size > nuint.MaxValue - Trailer)
            return _allocate(block, alignment, size);

        var error = _allocate(block, alignment, size + Trailer);
        if (error != 0)
            return error;

        var trailer = TrailerOf(*block);
        Unsafe.WriteUnaligned(trailer, MarkOf(*block));
        Unsafe.WriteUnaligned(trailer + sizeof(long), (long)size);
        Interlocked.Increment(ref _allocations);
        RaisePeak(Interlocked.Add(ref _live, (long)size));
        return 0;
    }

    [UnmanagedCallersOnly]
    private static void FreeCounted(void* block)
    {
        if (block is not null && _usableSize(block) >= Trailer)
        {
            var trailer = TrailerOf(block);
            if (Unsafe.ReadUnaligned<long>(trailer) == MarkOf(block))
            {
                Interlocked.Add(ref _live, -Unsafe.ReadUnaligned<long>(trailer + sizeof(long)));
                Unsafe.WriteUnaligned(trailer, 0L);
            }
        }

        _free(block);
    }

    private static byte* TrailerOf(void* block) => (byte*)block + _usableSize(block) - Trailer;

    private static long MarkOf(void* block) => (nint)block ^ Key;

    private static void RaisePeak(long live)
    {
        for (var seen = Peak; live > seen;)
        {
            var now = Interlocked.CompareExchange(ref _peak, live, seen);
            if (now == seen)
                return;
            seen = now;
        }
    }
}
