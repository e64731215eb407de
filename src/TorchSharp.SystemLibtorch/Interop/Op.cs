using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace TorchSharp;

/// <summary>
/// One ATen operator, named as in libtorch's schemas without the namespace: <c>addmm_</c>, <c>add.Tensor</c>.
/// Trailing arguments that are left out take the schema's defaults.
/// </summary>
internal sealed unsafe class Op
{
    // Replaced, never changed: readers need no lock.
    private static volatile Dictionary<string, Op> _known = new();
    private static readonly object Gate = new();

    private readonly string _name;
    private readonly IntPtr _handle;

    private Op(string name)
    {
        _name = name;
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        Native.Check(Native.lt_op("aten::" + (dot < 0 ? name : name[..dot]), dot < 0 ? "" : name[(dot + 1)..], out _handle));
    }

    /// <summary>Whether the libtorch at hand has this operator.</summary>
    internal static bool Exists(string name) => Find(name)._handle != IntPtr.Zero;

    internal static torch.Tensor Call(string name, params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Find(name).Invoke(arguments, &result, 1);
        return Take(result)!;
    }

    /// <summary>An operator that changes <paramref name="self"/>; the same object comes back.</summary>
    internal static torch.Tensor InPlace(string name, torch.Tensor self, params ReadOnlySpan<Argument> rest)
    {
        var arguments = new Arguments();
        arguments[0] = self;
        for (var i = 0; i < rest.Length; i++) arguments[i + 1] = rest[i];
        Find(name).Invoke(((Span<Argument>)arguments)[..(rest.Length + 1)], null, 0);
        return self;
    }

    internal static (torch.Tensor, torch.Tensor) Pair(string name, params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[2];
        Find(name).Invoke(arguments, results, 2);
        return (Take(results[0])!, Take(results[1])!);
    }

    internal static (torch.Tensor, torch.Tensor, torch.Tensor) Triple(string name, params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[3];
        Find(name).Invoke(arguments, results, 3);
        return (Take(results[0])!, Take(results[1])!, Take(results[2])!);
    }

    internal static (torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor) Quadruple(string name, params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[4];
        Find(name).Invoke(arguments, results, 4);
        return (Take(results[0])!, Take(results[1])!, Take(results[2])!, Take(results[3])!);
    }

    internal static torch.Tensor[] List(string name, params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Find(name).Invoke(arguments, &result, 1);
        var handles = (IntPtr*)result.Payload;
        var tensors = new torch.Tensor[result.Length];
        for (var i = 0; i < tensors.Length; i++) tensors[i] = new torch.Tensor(handles[i]);
        Native.lt_free_list(handles);
        return tensors;
    }

    internal static bool Bool(string name, params ReadOnlySpan<Argument> arguments) => Read(name, arguments).Payload != 0;

    internal static long Long(string name, params ReadOnlySpan<Argument> arguments) => Read(name, arguments).Payload;

    /// <summary>The one value that a tensor holds, as libtorch's widest type of its kind.</summary>
    internal static Scalar Scalar(string name, params ReadOnlySpan<Argument> arguments)
    {
        var value = Read(name, arguments);
        return value.Kind switch
        {
            ValueKind.Double => BitConverter.Int64BitsToDouble(value.Payload),
            ValueKind.Int => value.Payload,
            ValueKind.Bool => value.Payload != 0,
            ValueKind.Complex => new System.Numerics.Complex(BitConverter.Int64BitsToDouble(value.Payload), BitConverter.Int64BitsToDouble(value.Length)),
            _ => throw new InvalidOperationException($"{name} returned a {value.Kind} where a number was expected."),
        };
    }

    private static NativeValue Read(string name, ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Find(name).Invoke(arguments, &result, 1);
        return result;
    }

    private static torch.Tensor? Take(in NativeValue value) =>
        value.Kind == ValueKind.Tensor ? new torch.Tensor((nint)value.Payload) : null;

    private static Op Find(string name) => _known.TryGetValue(name, out var op) ? op : Add(name);

    private static Op Add(string name)
    {
        lock (Gate)
        {
            var op = new Op(name);
            _known = new Dictionary<string, Op>(_known) { [name] = op };
            return op;
        }
    }

    private void Invoke(ReadOnlySpan<Argument> arguments, NativeValue* results, int capacity)
    {
        if (_handle == IntPtr.Zero) throw new NotSupportedException($"The installed libtorch has no operator aten::{_name}.");

        var values = stackalloc NativeValue[arguments.Length];
        var bytes = 0;
        for (var i = 0; i < arguments.Length; i++)
        {
            ref readonly var argument = ref arguments[i];
            values[i] = new NativeValue { Kind = argument.Kind, Payload = argument.Payload, Length = argument.Length };
            if (argument.Kind is ValueKind.IntList or ValueKind.DoubleList or ValueKind.TensorList) bytes += 8 * (int)argument.Length;
            else if (argument.Kind is ValueKind.String) bytes += Encoding.UTF8.GetMaxByteCount(((string)argument.Reference!).Length) + 8;
        }

        long produced;
        int status;
        if (bytes == 0)
        {
            status = Native.lt_call(_handle, values, arguments.Length, results, capacity, &produced);
        }
        else
        {
            var buffer = bytes <= 1024 ? stackalloc byte[bytes] : new byte[bytes];
            fixed (byte* start = buffer)
            {
                Lay(arguments, values, start);
                status = Native.lt_call(_handle, values, arguments.Length, results, capacity, &produced);
            }
        }
        Native.Check(status);
    }

    /// <summary>Lists and strings are laid one after another into <paramref name="at"/>.</summary>
    private static void Lay(ReadOnlySpan<Argument> arguments, NativeValue* values, byte* at)
    {
        for (var i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i].Reference)
            {
                case string text:
                    values[i].Length = Encoding.UTF8.GetBytes(text, new Span<byte>(at, Encoding.UTF8.GetMaxByteCount(text.Length)));
                    values[i].Payload = (long)at;
                    at += (values[i].Length + 7) / 8 * 8;
                    break;
                case long[] numbers:
                    at = Copy(MemoryMarshal.AsBytes(numbers.AsSpan()), at, ref values[i]);
                    break;
                case double[] numbers:
                    at = Copy(MemoryMarshal.AsBytes(numbers.AsSpan()), at, ref values[i]);
                    break;
                case torch.Tensor?[] tensors:
                    values[i].Payload = (long)at;
                    foreach (var tensor in tensors)
                    {
                        *(IntPtr*)at = tensor?.Handle ?? IntPtr.Zero;
                        at += sizeof(IntPtr);
                    }
                    break;
            }
        }
    }

    private static byte* Copy(ReadOnlySpan<byte> from, byte* to, ref NativeValue value)
    {
        value.Payload = (long)to;
        from.CopyTo(new Span<byte>(to, from.Length));
        return to + from.Length;
    }

    [InlineArray(12)]
    private struct Arguments
    {
        private Argument _first;
    }
}
