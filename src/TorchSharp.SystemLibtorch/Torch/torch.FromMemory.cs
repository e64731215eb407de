using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TorchSharp;

public static partial class torch
{
    public static Tensor from_array(Array rawArray, Device? device = null) => from_array(rawArray, null, device);

    public static Tensor from_array(Array rawArray, ScalarType? dtype, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        FromArray(rawArray, dtype, device, requires_grad, names);

    public static Tensor frombuffer(Array rawArray, ScalarType dtype, long count = -1, long offset = 0, bool requires_grad = false)
    {
        var bytes = Bytes(rawArray);
        var start = offset * dtype.ElementSize();
        var length = count < 0 ? bytes.Length - start : count * dtype.ElementSize();
        return FromBytes(bytes.Slice((int)start, (int)length), [length / dtype.ElementSize()], dtype).Leaf(requires_grad);
    }

    /// <summary>Copies the elements; their type is that of <typeparamref name="T"/> unless another is asked for.</summary>
    internal static Tensor FromElements<T>(ReadOnlySpan<T> elements, ReadOnlySpan<long> shape, ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
        where T : struct
    {
        var bytes = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<T, byte>(ref MemoryMarshal.GetReference(elements)), elements.Length * Unsafe.SizeOf<T>());
        return Placed(FromBytes(bytes, shape, Elements.TypeOf<T>()), dtype, device, requires_grad, names);
    }

    private static Tensor FromArray(Array array, ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
    {
        var shape = new long[array.Rank];
        for (var d = 0; d < shape.Length; d++) shape[d] = array.GetLongLength(d);
        return Placed(FromBytes(Bytes(array), shape, Elements.TypeOf(array.GetType().GetElementType()!)), dtype, device, requires_grad, names);
    }

    private static ReadOnlySpan<byte> Bytes(Array array) =>
        MemoryMarshal.CreateReadOnlySpan(ref MemoryMarshal.GetArrayDataReference(array),
            checked(array.Length * Elements.TypeOf(array.GetType().GetElementType()!).ElementSize()));

    private static unsafe Tensor FromBytes(ReadOnlySpan<byte> bytes, ReadOnlySpan<long> shape, ScalarType type)
    {
        fixed (byte* data = bytes)
        fixed (long* sizes = shape)
        {
            Native.Check(Native.lt_from_memory(data, bytes.Length, sizes, shape.Length, (int)type, out var handle));
            return new Tensor(handle);
        }
    }

    private static Tensor Placed(Tensor made, ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
    {
        var type = dtype ?? made.dtype;
        device = InitializeDevice(device);
        if (type != made.dtype || !made.device.Is(device)) made = made.to(type, device, disposeAfter: true);
        return made.Leaf(requires_grad).Unnamed(names);
    }
}
