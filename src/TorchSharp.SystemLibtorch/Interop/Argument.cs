using System.Runtime.InteropServices;

namespace TorchSharp;

internal enum ValueKind : long
{
    None, Tensor, Double, Int, Bool, IntList, DoubleList, TensorList, String, Device, Generator, Complex, Default,
}

/// <summary>A value as the native side reads it: kind, payload, and a length or second half.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeValue
{
    internal ValueKind Kind;
    internal long Payload;
    internal long Length;
}

/// <summary>An operator's argument. It keeps the managed object alive until the call is over.</summary>
internal readonly struct Argument
{
    private Argument(ValueKind kind, long payload = 0, long length = 0, object? reference = null)
    {
        Kind = kind;
        Payload = payload;
        Length = length;
        Reference = reference;
    }

    internal ValueKind Kind { get; }
    internal long Payload { get; }
    internal long Length { get; }
    internal object? Reference { get; }

    internal static Argument None => default;

    /// <summary>The schema's own default.</summary>
    internal static Argument Default => new(ValueKind.Default);

    internal static Argument Complex(double real, double imaginary) =>
        new(ValueKind.Complex, BitConverter.DoubleToInt64Bits(real), BitConverter.DoubleToInt64Bits(imaginary));

    public static implicit operator Argument(torch.Tensor? value) =>
        value is null ? None : new(ValueKind.Tensor, value.Handle, reference: value);

    public static implicit operator Argument(Scalar? value) => value is null ? None : value.Argument;
    public static implicit operator Argument(double value) => new(ValueKind.Double, BitConverter.DoubleToInt64Bits(value));
    public static implicit operator Argument(double? value) => value is { } v ? v : None;
    public static implicit operator Argument(long value) => new(ValueKind.Int, value);
    public static implicit operator Argument(long? value) => value is { } v ? v : None;
    public static implicit operator Argument(int value) => new(ValueKind.Int, value);
    public static implicit operator Argument(bool value) => new(ValueKind.Bool, value ? 1 : 0);
    public static implicit operator Argument(string? value) => value is null ? None : new(ValueKind.String, reference: value);
    public static implicit operator Argument(long[]? value) => value is null ? None : new(ValueKind.IntList, length: value.Length, reference: value);
    public static implicit operator Argument(double[]? value) => value is null ? None : new(ValueKind.DoubleList, length: value.Length, reference: value);
    public static implicit operator Argument(torch.Tensor?[] value) => new(ValueKind.TensorList, length: value.Length, reference: value);
    public static implicit operator Argument(torch.ScalarType value) => new(ValueKind.Int, (long)value);
    public static implicit operator Argument(torch.ScalarType? value) => value is { } v ? v : None;
    public static implicit operator Argument(torch.Device? value) => value is null ? None : new(ValueKind.Device, (long)value.type, value.index);
    public static implicit operator Argument(torch.Generator? value) => value is null ? None : new(ValueKind.Generator, value.Handle, reference: value);
}
