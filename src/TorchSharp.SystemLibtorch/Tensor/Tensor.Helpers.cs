namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>A fresh tensor, made a leaf that collects gradients where that was asked for.</summary>
        internal Tensor Leaf(bool requires_grad)
        {
            if (requires_grad) this.requires_grad = true;
            return this;
        }

        /// <summary>Dimension names are accepted by the signatures and not kept by this binding.</summary>
        internal Tensor Unnamed(string[]? names) =>
            names is null ? this : throw new NotSupportedException("Dimension names are not supported by the system binding: pass none.");

        private Tensor In(ScalarType? type) => type is { } t && t != dtype ? to_type(t) : this;

        private static Tensor Into(Tensor? target, Tensor result)
        {
            if (target is null) return result;
            using (result) return target.set_(result);
        }

        private static long[] Range(long first, long count)
        {
            var range = new long[count];
            for (var i = 0; i < range.Length; i++) range[i] = first + i;
            return range;
        }
    }

    private static Tensor Fill(string op, long[] size, ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
    {
        return Op.Call(op == "empty" ? "empty.memory_format" : op, size, dtype ?? get_default_dtype(), Argument.None, InitializeDevice(device))
            .Leaf(requires_grad).Unnamed(names);
    }

    private static Tensor Fill(string op, long[] size, Scalar value, ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
    {
        return Op.Call(op, size, value, dtype ?? get_default_dtype(), Argument.None, InitializeDevice(device))
            .Leaf(requires_grad).Unnamed(names);
    }

    private static Tensor Fill(string op, long[] size, ScalarType? dtype, Device? device, bool requires_grad, Generator? generator, string[]? names)
    {
        return Op.Call(op + ".generator", size, generator, dtype ?? get_default_dtype(), Argument.None, InitializeDevice(device))
            .Leaf(requires_grad).Unnamed(names);
    }

    private static Tensor Integers(long low, long high, long[] size, ScalarType? dtype, Device? device, bool requires_grad, Generator? generator, string[]? names)
    {
        return Op.Call("randint.low_generator", low, high, size, generator, dtype ?? int64, Argument.None, InitializeDevice(device))
            .Leaf(requires_grad).Unnamed(names);
    }

    private static ScalarType RangeType(Scalar start, Scalar stop, Scalar step) =>
        start.Type == int64 && stop.Type == int64 && step.Type == int64 ? int64 : get_default_dtype();
}
