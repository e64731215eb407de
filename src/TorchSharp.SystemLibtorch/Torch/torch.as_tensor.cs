using System.Numerics;

namespace TorchSharp;

public static partial class torch
{
    public static Tensor as_tensor((float, float)[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<(float, float)>(rawArray, [rawArray.Length], dtype, device, false, null);
    public static Tensor as_tensor(IList<(float, float)> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<(float, float)>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);

    public static Tensor as_tensor(Array data, ScalarType? dtype = null, Device? device = null) => from_array(data, dtype, device);

    public static Tensor as_tensor(IList<Complex> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<Complex>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(Complex[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<Complex>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<BFloat16> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<BFloat16>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(BFloat16[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<BFloat16>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<bool> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<bool>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(bool[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<bool>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<byte> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<byte>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(byte[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<byte>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<double> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<double>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(double[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<double>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<float> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<float>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(float[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<float>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<int> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<int>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(int[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<int>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<long> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<long>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(long[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<long>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<sbyte> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<sbyte>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(sbyte[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<sbyte>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(IList<short> rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<short>(rawArray.ToArray(), [rawArray.Count], dtype, device, false, null);
    public static Tensor as_tensor(short[] rawArray, ScalarType? dtype = null, Device? device = null) =>
        FromElements<short>(rawArray, [rawArray.Length], dtype, device, false, null);

    public static Tensor as_tensor(Tensor data, ScalarType? dtype = null, Device? device = null) =>
        dtype is { } type || device is not null ? data.to(dtype ?? data.dtype, device ?? data.device) : data.alias();
}
