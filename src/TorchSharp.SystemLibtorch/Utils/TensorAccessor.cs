using System.Collections;
using System.Runtime.CompilerServices;

namespace TorchSharp.Utils;

/// <summary>A CPU tensor's elements, read and written in place. It holds its own reference to the memory.</summary>
public sealed unsafe class TensorAccessor<T> : IEnumerable<T>, IDisposable where T : struct
{
    private readonly torch.Tensor _tensor;
    private readonly byte* _data;
    private readonly long[] _sizes;
    private readonly long[] _strides;

    internal TensorAccessor(torch.Tensor tensor)
    {
        _tensor = tensor.alias().DetachFromDisposeScope();
        _data = (byte*)_tensor.DataPointer();
        _sizes = _tensor.shape;
        _strides = _tensor.stride();
        Count = _tensor.NumberOfElements;
    }

    public long Count { get; }

    public bool IsReadOnly => false;

    public T this[params long[] indices]
    {
        get => Element(Offset(indices));
        set => Element(Offset(indices)) = value;
    }

    public T[] ToArray()
    {
        var array = new T[Count];
        CopyTo(array);
        return array;
    }

    public Array ToNDArray()
    {
        var array = Array.CreateInstance(typeof(T), _sizes);
        var at = new long[_sizes.Length];
        for (long i = 0; i < Count; i++)
        {
            array.SetValue(Flat(i), at);
            for (var d = at.Length - 1; d >= 0 && ++at[d] == _sizes[d]; d--) at[d] = 0;
        }
        return array;
    }

    public void CopyTo(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyTo(array.AsSpan(), arrayIndex, tensorIndex);

    public void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        var target = array[arrayIndex..];
        var count = (int)Math.Min(target.Length, Count - tensorIndex);
        if (_tensor.is_contiguous()) Run(tensorIndex, count).CopyTo(target);
        else for (var i = 0; i < count; i++) target[i] = Flat(tensorIndex + i);
    }

    public void CopyFrom(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyFrom((ReadOnlySpan<T>)array, arrayIndex, tensorIndex);

    public void CopyFrom(ReadOnlySpan<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        var source = array[arrayIndex..];
        var count = (int)Math.Min(source.Length, Count - tensorIndex);
        if (_tensor.is_contiguous()) source[..count].CopyTo(Run(tensorIndex, count));
        else for (var i = 0; i < count; i++) Element(FlatOffset(tensorIndex + i)) = source[i];
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (long i = 0; i < Count; i++) yield return Flat(i);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose() => _tensor.Dispose();

    public override bool Equals(object? obj) => obj is TensorAccessor<T> other && this.SequenceEqual(other);
    public override int GetHashCode() => HashCode.Combine(Count, (IntPtr)_data);
    public static bool operator ==(TensorAccessor<T> left, TensorAccessor<T> right) => Equals(left, right);
    public static bool operator !=(TensorAccessor<T> left, TensorAccessor<T> right) => !Equals(left, right);

    /// <summary>The element at a position in row-major order, whatever the strides.</summary>
    internal T Flat(long index) => Element(FlatOffset(index));

    private ref T Element(long offset)
    {
        _ = _tensor.Handle;
        return ref Unsafe.AsRef<T>(_data + offset * Unsafe.SizeOf<T>());
    }

    private Span<T> Run(long first, int count)
    {
        _ = _tensor.Handle;
        return new Span<T>(_data + first * Unsafe.SizeOf<T>(), count);
    }

    private long FlatOffset(long index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        long offset = 0;
        for (var d = _sizes.Length - 1; d >= 0; d--)
        {
            offset += index % _sizes[d] * _strides[d];
            index /= _sizes[d];
        }
        return offset;
    }

    private long Offset(long[] indices)
    {
        // A single number over many dimensions counts in row-major order.
        if (indices.Length == 1 && _sizes.Length != 1) return FlatOffset(indices[0]);
        if (indices.Length != _sizes.Length) throw new ArgumentException($"{indices.Length} indices for a tensor of {_sizes.Length} dimensions.", nameof(indices));
        long offset = 0;
        for (var d = 0; d < indices.Length; d++)
        {
            if ((ulong)indices[d] >= (ulong)_sizes[d]) throw new ArgumentOutOfRangeException(nameof(indices), indices[d], $"Dimension {d} has {_sizes[d]} elements.");
            offset += indices[d] * _strides[d];
        }
        return offset;
    }
}
