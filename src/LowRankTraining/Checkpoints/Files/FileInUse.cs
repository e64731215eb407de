namespace LowRankTraining.Checkpoints;

/// <summary>Waits for files that another program has open for a moment.</summary>
/// <remarks>Windows neither replaces nor opens a file that a program does not share, and virus scanners, indexes and backups open what is new. Elsewhere only
/// programs that ask for it stand in each other's way.</remarks>
internal static class FileInUse
{
    private const int SharingViolation = unchecked((int)0x80070020), LockViolation = unchecked((int)0x80070021);

    private const int FirstPause = 10, Pauses = 8;                                      // ms; the pauses double, 2.5 s together

    /// <summary>Does something, again and again while a file is in use.</summary>
    /// <exception cref="Exception">The last failure, when the file was not free in the end.</exception>
    public static T Outlast<T>(Func<T> action) => Outlast(action, OperatingSystem.IsWindows(), Thread.Sleep);

    /// <inheritdoc cref="Outlast{T}(Func{T})"/>
    internal static T Outlast<T>(Func<T> action, bool onWindows, Action<int> pause)
    {
        for (var pauses = 0; ; pauses++)
        {
            try
            {
                return action();
            }
            catch (Exception failure) when (pauses < Pauses && Is(failure, onWindows))
            {
                pause(FirstPause << pauses);
            }
        }
    }

    /// <summary>Whether something failed because a file is open elsewhere. Windows denies access to a file that is to be replaced then.</summary>
    internal static bool Is(Exception failure, bool onWindows) =>
        onWindows && (failure is UnauthorizedAccessException || failure.HResult is SharingViolation or LockViolation);
}
