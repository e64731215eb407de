using System.Numerics;

namespace TorchSharp;

public static partial class torch
{
    public static Tensor tensor((double Real, double Imaginary) scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<Complex>([new(scalar.Real, scalar.Imaginary)], [], dtype, device, requires_grad, null);

    public static Tensor tensor((float Real, float Imaginary) scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<(float, float)>([scalar], [], dtype, device, requires_grad, null);

    public static Tensor tensor(Complex scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<Complex>([scalar], [], dtype, device, requires_grad, null);

    public static Tensor tensor(BFloat16 scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<BFloat16>([scalar], [], dtype, device, requires_grad, null);

    public static Tensor tensor(bool scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<bool>([scalar], [], dtype, device, requires_grad, null);

    public static Tensor tensor(byte scalar, Device? device = null, bool requires_grad = false) =>
        FromElements<byte>([scalar], [], null, device, requires_grad, null);

    public static Tensor tensor(double real, double imaginary, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<Complex>([new(real, imaginary)], [], dtype, device, requires_grad, null);
    public static Tensor tensor(double scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<double>([scalar], [], dtype, device, requires_grad, null);

    public static Tensor tensor(float real, float imaginary, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<(float, float)>([(real, imaginary)], [], dtype, device, requires_grad, null);
    public static Tensor tensor(float scalar, Device? device = null, bool requires_grad = false) =>
        FromElements<float>([scalar], [], null, device, requires_grad, null);

    public static Tensor tensor(int scalar, Device? device = null, bool requires_grad = false) =>
        FromElements<int>([scalar], [], null, device, requires_grad, null);

    public static Tensor tensor(long scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromElements<long>([scalar], [], dtype, device, requires_grad, null);

    public static Tensor tensor(sbyte scalar, Device? device = null, bool requires_grad = false) =>
        FromElements<sbyte>([scalar], [], null, device, requires_grad, null);

    public static Tensor tensor(short scalar, Device? device = null, bool requires_grad = false) =>
        FromElements<short>([scalar], [], null, device, requires_grad, null);
}
