using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.ByteCounting;

/// <summary>What stands in for the system's aligned allocation and its release: both count.</summary>
/// <remarks>
/// <para>Before a counted block lies a header, whose mark depends on the address: so a block from before is told from a counted one without a table, a lock
/// or managed memory, on whatever thread. No initializers here: nothing may have to run before a call.</para>
/// <para>The block is aligned here, in a longer one from <c>malloc</c>. glibc's <c>posix_memalign</c> does the same within the heap, but gives the ends back to
/// it: where small things come to lie in them, the space of a tensor that is freed is too small for the next tensor of its size. Taken whole it fits, and a
/// training process stays as small as its tensors.</para>
/// </remarks>
internal static unsafe class CountedMemory
{
    private const int OutOfMemory = 12;   // ENOMEM
    private const long Key = 0x5bd1e9955bd1e995;

    private static delegate* unmanaged<nuint, void*> _allocate;
    private static delegate* unmanaged<void*, void> _free;
    private static long _live, _peak, _allocations;

    public static long Live => Volatile.Read(ref _live);

    public static long Peak => Volatile.Read(ref _peak);

    public static long Allocations => Volatile.Read(ref _allocations);

    public static nint Allocate => (nint)(delegate* unmanaged<void**, nuint, nuint, int>)&AllocateCounted;

    public static nint Free => (nint)(delegate* unmanaged<void*, void>)&FreeCounted;

    /// <summary>Names the system's functions; before anything is redirected.</summary>
    public static void Use(nint allocate, nint free)
    {
        _allocate = (delegate* unmanaged<nuint, void*>)allocate;
        _free = (delegate* unmanaged<void*, void>)free;
    }

    public static void ResetPeak() => Interlocked.Exchange(ref _peak, Live);

    [UnmanagedCallersOnly]
    private static int AllocateCounted(void** block, nuint alignment, nuint size)
    {
        var extra = (nuint)sizeof(Header) + alignment;
        var start = size <= nuint.MaxValue - extra ? _allocate(size + extra) : null;
        if (start is null)
            return OutOfMemory;

        var end = (nuint)start + extra;
        *block = (void*)(end - end % alignment);
        *HeaderOf(*block) = new(start, (long)size, MarkOf(*block));
        Interlocked.Increment(ref _allocations);
        RaisePeak(Interlocked.Add(ref _live, (long)size));
        return 0;
    }

    [UnmanagedCallersOnly]
    private static void FreeCounted(void* block)
    {
        var header = HeaderOf(block);
        if (block is null || header->Mark != MarkOf(block))
        {
            _free(block);
            return;
        }

        Interlocked.Add(ref _live, -header->Size);
        header->Mark = 0;
        _free(header->Start);
    }

    private static Header* HeaderOf(void* block) => (Header*)block - 1;

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

    /// <summary>The mark comes last: before every block of glibc there are 8 bytes of its own, and they are all that is read of a foreign one.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Header(void* start, long size, long mark)
    {
        public readonly void* Start = start;
        public readonly long Size = size;
        public long Mark = mark;
    }
}
