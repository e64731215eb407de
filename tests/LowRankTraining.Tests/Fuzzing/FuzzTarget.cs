namespace LowRankTraining.Tests.Fuzzing;

/// <summary>Something that reads files.</summary>
internal abstract class FuzzTarget : IDisposable
{
    private const long Buffers = 1_000_000;

    private const string Took = "took";

    /// <value>Files that it reads, each different from what it holds now.</value>
    public abstract IReadOnlyList<byte[]> Sound { get; }

    /// <value>Whether every byte is covered by a checksum: what is read from a damaged file is then what was written, or nothing.</value>
    public abstract bool IsSealed { get; }

    /// <value>All that reading may change.</value>
    public abstract string State { get; }

    /// <summary>Makes a damaged file.</summary>
    public virtual byte[] Damaged(Mutator mutator) => mutator.Damage(Sound);

    public abstract void Read(byte[] file);

    public abstract void Dispose();

    /// <summary>What is wrong with how a file is read, or null.</summary>
    /// <remarks>What was taken too much of is looked at again: the runtime makes some tables of its own at the first use, as for expressions.</remarks>
    public string? FaultOf(byte[] file) =>
        FaultOfOne(file) is { } fault ? fault.StartsWith(Took, StringComparison.Ordinal) ? FaultOfOne(file) : fault : null;

    private string? FaultOfOne(byte[] file)
    {
        var (before, allocated) = (State, GC.GetAllocatedBytesForCurrentThread());
        try
        {
            Read(file);
        }
        catch (InvalidDataException)
        {
            return AllocatedSince(allocated, file) ?? (State == before ? null : "refused, and something was changed");
        }
        catch (Exception failure)
        {
            return $"{failure.GetType().Name}: {failure.Message}\n{failure.StackTrace}";
        }

        var after = State;
        return AllocatedSince(allocated, file)
            ?? (!IsSealed || after == before || Known.Contains(after) ? null : "read, and what was read is not what was written");
    }

    /// <value>The states that the sound files bring.</value>
    private HashSet<string> Known => field ??= [.. Sound.Select(file =>
    {
        Read(file);
        return State;
    })];

    /// <summary>Twice the file, beside the buffers with which a file of a few bytes is read too.</summary>
    private static string? AllocatedSince(long before, byte[] file) =>
        GC.GetAllocatedBytesForCurrentThread() - before is var taken && taken > Buffers + 2L * file.Length ? $"{Took} {taken} bytes" : null;
}
