namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor empty_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("empty_like", this, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor zeros_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("zeros_like", this, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor ones_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("ones_like", this, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor full_like(Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("full_like", this, value, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor rand_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("rand_like", this, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor randn_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("randn_like", this, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor randint_like(long low, long high, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("randint_like.low_dtype", this, low, high, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_empty(ReadOnlySpan<long> size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_empty", this, size.ToArray(), dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_empty(long dim0, long dim1, long dim2, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_empty", this, new[] { dim0, dim1, dim2 }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_empty(long dim0, long dim1, long dim2, long dim3, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_empty", this, new[] { dim0, dim1, dim2, dim3 }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_empty(long rows, long columns, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_empty", this, new[] { rows, columns }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_empty(long size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_empty", this, new[] { size }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_empty(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_empty", this, size, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_zeros(ReadOnlySpan<long> size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_zeros", this, size.ToArray(), dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_zeros(long dim0, long dim1, long dim2, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_zeros", this, new[] { dim0, dim1, dim2 }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_zeros(long dim0, long dim1, long dim2, long dim3, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_zeros", this, new[] { dim0, dim1, dim2, dim3 }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_zeros(long rows, long columns, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_zeros", this, new[] { rows, columns }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_zeros(long size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_zeros", this, new[] { size }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_zeros(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_zeros", this, size, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_ones(long dim0, long dim1, long dim2, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_ones", this, new[] { dim0, dim1, dim2 }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_ones(long dim0, long dim1, long dim2, long dim3, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_ones", this, new[] { dim0, dim1, dim2, dim3 }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_ones(long rows, long columns, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_ones", this, new[] { rows, columns }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_ones(long size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_ones", this, new[] { size }, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_full(ReadOnlySpan<long> size, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_full", this, size.ToArray(), value, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_full(long dim0, long dim1, long dim2, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_full", this, new[] { dim0, dim1, dim2 }, value, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_full(long dim0, long dim1, long dim2, long dim3, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_full", this, new[] { dim0, dim1, dim2, dim3 }, value, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_full(long rows, long columns, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_full", this, new[] { rows, columns }, value, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_full(long size, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_full", this, new[] { size }, value, dtype, Argument.None, device).Leaf(requires_grad);
        public Tensor new_full(long[] size, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Op.Call("new_full", this, size, value, dtype, Argument.None, device).Leaf(requires_grad);
    }
}
