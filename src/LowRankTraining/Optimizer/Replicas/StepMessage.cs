using System.Runtime.InteropServices;

namespace LowRankTraining;

/// <summary>What a process tells the others before gradients are added up.</summary>
/// <param name="Tokens">How much its gradient counts.</param>
/// <param name="Completed">Steps that it has taken.</param>
/// <param name="Lane">Micro-batches that it has accumulated lane by lane.</param>
/// <param name="Early">Numbers that it sends in the backward pass.</param>
/// <param name="Place">The parameter whose gradient is complete in the backward pass; or <see cref="EndOfStep"/>.</param>
/// <param name="Compares">Whether weights are to be compared first.</param>
/// <param name="Held">What it has of each gradient; nothing where that one is not exchanged now.</param>
internal sealed record StepMessage(double Tokens, long Completed, long Lane, long Early, long Place, bool Compares, LocalGradient[] Held)
{
    /// <summary>The place after all backward passes.</summary>
    public const long EndOfStep = -1;

    public byte[] ToBytes()
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Tokens);
        writer.Write(Completed);
        writer.Write(Lane);
        writer.Write(Early);
        writer.Write(Place);
        writer.Write(Compares);
        writer.Write(MemoryMarshal.AsBytes<LocalGradient>(Held));
        return stream.ToArray();
    }

    public static StepMessage Of(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        return new(reader.ReadDouble(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadBoolean(),
            MemoryMarshal.Cast<byte, LocalGradient>(bytes.AsSpan((int)reader.BaseStream.Position)).ToArray());
    }
}

/// <summary>What a process has of a parameter's gradient.</summary>
[Flags]
internal enum LocalGradient : byte
{
    Nothing = 0,
    Whole = 1,
    Projected = 2,

    /// <summary>It is whole, and products of it are all that is needed.</summary>
    Usable = 4,

    /// <summary>It is whole, and its products would tell nothing.</summary>
    Unfit = 8,

    /// <summary>It has changed since it was sent in the backward pass, or something else was sent.</summary>
    Late = 16,
}
