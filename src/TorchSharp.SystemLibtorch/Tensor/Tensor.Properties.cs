namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public long Dimensions => Native.lt_dim(Handle);
        public long ndim => Dimensions;
        public long dim() => Dimensions;

        public long NumberOfElements => Native.lt_numel(Handle);
        public long numel() => NumberOfElements;

        public long ElementSize => Native.lt_element_size(Handle);
        public long element_size() => ElementSize;

        public ScalarType dtype => (ScalarType)Native.lt_dtype(Handle);

        public Device device
        {
            get
            {
                var type = (DeviceType)Native.lt_device(Handle, out var index);
                return type == DeviceType.CPU ? CPU : new Device(type, index);
            }
        }

        public DeviceType device_type => (DeviceType)Native.lt_device(Handle, out _);

        public int device_index
        {
            get
            {
                _ = Native.lt_device(Handle, out var index);
                return index;
            }
        }

        public long[] shape => size();

        public unsafe long[] size()
        {
            var sizes = new long[Dimensions];
            fixed (long* to = sizes) Native.lt_sizes(Handle, to);
            return sizes;
        }

        public long size(int dim) => At(size(), dim);

        public unsafe long[] stride()
        {
            var strides = new long[Dimensions];
            fixed (long* to = strides) Native.Check(Native.lt_strides(Handle, to));
            return strides;
        }

        public long stride(int dim) => At(stride(), dim);

        private static long At(long[] values, int dim) => values[dim < 0 ? dim + values.Length : dim];

        public long storage_offset()
        {
            Native.Check(Native.lt_storage_offset(Handle, out var offset));
            return offset;
        }

        public bool is_contiguous() => Native.lt_is_contiguous(Handle) != 0;
        public bool is_leaf => Native.lt_is_leaf(Handle) != 0;
        public bool is_sparse => Native.lt_is_sparse(Handle) != 0;
        public bool is_cpu() => device_type == DeviceType.CPU;
        public bool is_cuda => device_type == DeviceType.CUDA;
        public bool is_meta => device_type == DeviceType.META;
        public bool is_integral() => torch.is_integral(dtype);
        public bool is_floating_point() => torch.is_floating_point(dtype);
        public bool is_complex() => torch.is_complex(dtype);
        public bool is_nonzero() => Op.Bool("is_nonzero", this);

        public bool requires_grad
        {
            get => Native.lt_requires_grad(Handle) != 0;
            set => Native.Check(Native.lt_set_requires_grad(Handle, value ? 1 : 0));
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        public Tensor with_requires_grad(bool requires_grad = true) => requires_grad_(requires_grad);

        public void retain_grad() => Native.Check(Native.lt_retain_grad(Handle));

        /// <value>A new object at every read; null where no gradient has arrived. Setting null frees the gradient.</value>
        public Tensor? grad
        {
            get
            {
                Native.Check(Native.lt_grad(Handle, out var found));
                return found == IntPtr.Zero ? null : new Tensor(found);
            }
            set => Native.Check(Native.lt_set_grad(Handle, value?.Handle ?? IntPtr.Zero));
        }

        public Tensor T => Op.Call("numpy_T", this);
        public Tensor mT => Op.Call("mT", this);
        public Tensor H => Op.Call("matrix_H", this);
        public Tensor mH => Op.Call("mH", this);
        public Tensor real => Op.Call("real", this);
        public Tensor imag => Op.Call("imag", this);
    }
}
