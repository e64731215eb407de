namespace LowRankTraining.Numerics;

/// <summary>Codes in bytes: one per byte where they have 8 bits, two where they have 4, the first in the high half.</summary>
internal static class PackedCodes
{
    /// <summary>Room for the codes of a tensor: in its shape where a code is a byte, along one axis where two share one.</summary>
    public static Tensor Empty(long[] shape, int bits, Device device) => empty(Shape(shape, bits), ScalarType.Byte, device);

    /// <summary>Shape of the codes of a tensor.</summary>
    public static long[] Shape(long[] shape, int bits) => bits == 8 ? shape : [Bytes(shape.Elements(), bits)];

    /// <summary>Bytes that so many codes take.</summary>
    public static long Bytes(long codes, int bits) => bits == 8 ? codes : (codes + 1) / 2;

    /// <summary>Puts codes into bytes.</summary>
    /// <param name="codes">Whole numbers of any dtype; an even number of them where they have 4 bits.</param>
    /// <param name="bits">8 or 4.</param>
    /// <returns>One axis.</returns>
    public static Tensor Pack(Tensor codes, int bits)
    {
        if (bits == 8)
            return codes.reshape(-1);

        using var scope = NewDisposeScope();
        var pairs = codes.reshape(-1, 2);
        return pairs.select(1, 0).mul(16).add_(pairs.select(1, 1)).MoveToOuterDisposeScope();
    }

    /// <summary>The inverse of <see cref="Pack"/>, for uint8.</summary>
    public static Tensor Unpack(Tensor bytes, int bits)
    {
        if (bits == 8)
            return bytes.reshape(-1);

        using var scope = NewDisposeScope();
        return stack([bytes.div(16, RoundingMode.floor), bytes.remainder(16)], 1).view(-1).MoveToOuterDisposeScope();
    }
}
