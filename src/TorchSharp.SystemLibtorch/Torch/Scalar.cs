namespace TorchSharp;

/// <summary>A number on its way into an operator. Here it is plain managed memory; the real one holds a native object.</summary>
public sealed class Scalar : IDisposable
{
    private Scalar(torch.ScalarType type, Argument argument)
    {
        Type = type;
        Argument = argument;
    }

    /// <value>libtorch's widest type of this kind: Int64, Float64, Bool or ComplexFloat64.</value>
    public torch.ScalarType Type { get; }

    internal Argument Argument { get; }

    public static implicit operator Scalar(byte value) => (long)value;
    public static implicit operator Scalar(sbyte value) => (long)value;
    public static implicit operator Scalar(short value) => (long)value;
    public static implicit operator Scalar(int value) => (long)value;
    public static implicit operator Scalar(long value) => new(torch.ScalarType.Int64, value);
    public static implicit operator Scalar(bool value) => new(torch.ScalarType.Bool, value);
    public static implicit operator Scalar(Half value) => (double)value;
    public static implicit operator Scalar(BFloat16 value) => (double)value.ToSingle();
    public static implicit operator Scalar(float value) => (double)value;
    public static implicit operator Scalar(double value) => new(torch.ScalarType.Float64, value);
    public static implicit operator Scalar((float, float) value) => new(torch.ScalarType.ComplexFloat64, Argument.Complex(value.Item1, value.Item2));
    public static implicit operator Scalar(System.Numerics.Complex value) => new(torch.ScalarType.ComplexFloat64, Argument.Complex(value.Real, value.Imaginary));

    public void Dispose() { }

    internal double Real => Type switch
    {
        torch.ScalarType.Float64 or torch.ScalarType.ComplexFloat64 => BitConverter.Int64BitsToDouble(Argument.Payload),
        _ => Argument.Payload,
    };

    internal double Imaginary => Type == torch.ScalarType.ComplexFloat64 ? BitConverter.Int64BitsToDouble(Argument.Length) : 0;

    internal long Integer => Type is torch.ScalarType.Int64 or torch.ScalarType.Bool ? Argument.Payload : checked((long)Real);
}

public static class ScalarExtensionMethods
{
    public static Scalar ToScalar(this byte value) => value;
    public static Scalar ToScalar(this sbyte value) => value;
    public static Scalar ToScalar(this short value) => value;
    public static Scalar ToScalar(this int value) => value;
    public static Scalar ToScalar(this long value) => value;
    public static Scalar ToScalar(this bool value) => value;
    public static Scalar ToScalar(this Half value) => value;
    public static Scalar ToScalar(this BFloat16 value) => value;
    public static Scalar ToScalar(this float value) => value;
    public static Scalar ToScalar(this double value) => value;
    public static Scalar ToScalar(this (float, float) value) => value;
    public static Scalar ToScalar(this System.Numerics.Complex value) => value;
    public static Scalar ToBFloat16Scalar(this float value) => new BFloat16(value);

    public static byte ToByte(this Scalar value) => checked((byte)value.Integer);
    public static sbyte ToSByte(this Scalar value) => checked((sbyte)value.Integer);
    public static short ToInt16(this Scalar value) => checked((short)value.Integer);
    public static int ToInt32(this Scalar value) => checked((int)value.Integer);
    public static long ToInt64(this Scalar value) => value.Integer;
    public static bool ToBoolean(this Scalar value) => value.Real != 0;
    public static Half ToHalf(this Scalar value) => (Half)value.Real;
    public static BFloat16 ToBFloat16(this Scalar value) => new((float)value.Real);
    public static float ToSingle(this Scalar value) => (float)value.Real;
    public static double ToDouble(this Scalar value) => value.Real;
    public static (float Real, float Imaginary) ToComplexFloat32(this Scalar value) => ((float)value.Real, (float)value.Imaginary);
    public static System.Numerics.Complex ToComplexFloat64(this Scalar value) => new(value.Real, value.Imaginary);
}
