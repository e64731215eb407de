using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>Turns a failure of libtorch into an exception, and carries a managed exception through libtorch's frames.</summary>
internal static class NativeErrors
{
    private const string Mark = "managed exception #";
    private static readonly ConcurrentDictionary<long, ExceptionDispatchInfo> Kept = new();
    private static long _last;

    /// <summary>Keeps an exception that must not escape into native code; the number names it in libtorch's message.</summary>
    internal static long Keep(Exception exception)
    {
        var number = Interlocked.Increment(ref _last);
        Kept[number] = ExceptionDispatchInfo.Capture(exception);
        return number;
    }

    [DoesNotReturn]
    internal static void Throw(string message)
    {
        if (Number(message) is { } number && Kept.TryRemove(number, out var kept)) kept.Throw();
#pragma warning disable CA2201 // The type that the real package throws.
        throw new ExternalException(message);
#pragma warning restore CA2201
    }

    private static long? Number(string message)
    {
        var start = message.IndexOf(Mark, StringComparison.Ordinal);
        if (start < 0) return null;
        start += Mark.Length;
        var end = message.IndexOf('#', start);
        return end > start && long.TryParse(message.AsSpan(start, end - start), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : null;
    }
}
